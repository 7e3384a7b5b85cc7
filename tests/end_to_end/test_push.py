"""Pushing to the registry that everybody runs, with and without a password, and what others find there."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from tests.command import Minibuild
from tests.daemons import Registry

pytestmark = pytest.mark.e2e

DOCKERFILE = "FROM busybox\nCOPY Dockerfile /app/\nLABEL a=b\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    (place / "Dockerfile").write_text(DOCKERFILE)
    return place


def known(builder: Minibuild, server: Registry, words: str) -> Minibuild:
    """The builder with a name and a password for a registry."""
    auths = {server.host: {"auth": b64encode(words.encode()).decode()}}
    return replace(builder, environment={**builder.environment, "DOCKER_AUTH_CONFIG": json.dumps({"auths": auths})})


@pytest.mark.parametrize("compression", ["gzip", "zstd", "uncompressed"])
def test_a_pushed_image_is_found_by_skopeo(
    builder: Minibuild, registry: Registry, context: Path, tmp_path: Path, compression: str
) -> None:
    name = f"{registry.host}/push/{compression}:1"
    metadata = tmp_path / "metadata.json"
    output = f"type=registry,compression={compression}"
    image_id = builder.succeed("build", "-q", "-t", name, "-o", output, "--metadata-file", metadata, context).strip()
    found = registry.inspect(name)
    assert found.config_digest == image_id
    assert found.digest == json.loads(metadata.read_text())["containerimage.digest"]
    ends = {"gzip": "tar+gzip", "zstd": "tar+zstd", "uncompressed": "v1.tar"}
    assert found.layer_types[-1].endswith(ends[compression])


def test_a_pushed_image_is_pulled_and_run_elsewhere(
    builder: Minibuild, registry: Registry, context: Path, tmp_path: Path
) -> None:
    name = f"{registry.host}/push/again:1"
    builder.succeed("build", "-t", name, "--push", context)
    elsewhere = replace(builder, root=tmp_path / "elsewhere")
    elsewhere.succeed("pull", name)
    assert elsewhere.succeed("run", "--rm", name, "cat", "/app/Dockerfile") == DOCKERFILE


def test_the_layers_of_a_base_stay_those_of_the_registry(builder: Minibuild, registry: Registry, context: Path) -> None:
    base = f"{registry.host}/library/busybox:latest"
    (context / "Dockerfile").write_text(DOCKERFILE.replace("busybox", base))
    name = f"{registry.host}/push/mounted:1"
    builder.succeed("build", "-t", name, "--push", context)
    assert registry.inspect(name).layers[0] == registry.inspect(base).layers[0]


def test_layers_that_only_pass_through_are_not_fetched(builder: Minibuild, registry: Registry, context: Path) -> None:
    base = f"{registry.host}/library/busybox:latest"
    (context / "Dockerfile").write_text(f"FROM {base}\nLABEL a=b\nCOPY --link Dockerfile /\n")
    builder.succeed("build", "-t", f"{registry.host}/push/passed:1", "--push", context)
    [layer] = registry.inspect(base).layers
    assert registry.inspect(f"{registry.host}/push/passed:1").layers[0] == layer
    assert not (builder.root / "blobs/sha256" / layer.removeprefix("sha256:")).exists()


def test_layers_that_were_not_fetched_come_when_they_are_wanted(
    builder: Minibuild, registry: Registry, context: Path
) -> None:
    name = f"{registry.host}/push/wanted:1"
    (context / "Dockerfile").write_text(f"FROM {registry.host}/library/busybox:latest\nLABEL a=b\n")
    builder.succeed("build", "-t", name, "--push", context)
    assert builder.succeed("run", "--rm", name, "echo", "here") == "here\n"


def test_push_prints_the_digest_that_the_registry_has(
    builder: Minibuild, registry: Registry, context: Path, tmp_path: Path
) -> None:
    name = f"{registry.host}/push/stored:1"
    builder.succeed("build", "-t", name, context)
    printed = builder.succeed("push", "-q", "--digest-file", tmp_path / "digest", name).strip()
    assert printed == f"{name}@{registry.inspect(name).digest}"
    assert (tmp_path / "digest").read_text() == registry.inspect(name).digest


def test_a_private_registry_takes_the_password_that_docker_keeps(
    builder: Minibuild, private: Registry, context: Path, tmp_path: Path
) -> None:
    name = f"{private.host}/app:1"
    insider = known(builder, private, "me:pass:word")
    insider.succeed("build", "-t", name, "--push", context)
    replace(insider, root=tmp_path / "elsewhere").succeed("pull", name)


@pytest.mark.parametrize("words", ["", "me:wrong"])
def test_who_is_not_let_in_is_told_as_whom_it_asked(
    builder: Minibuild, private: Registry, context: Path, words: str
) -> None:
    outsider = known(builder, private, words) if words else builder
    done = outsider("build", "-t", f"{private.host}/app:2", "--push", context)
    assert done.returncode == 7
    assert ("asked as 'me', whom DOCKER_AUTH_CONFIG names" if words else "asked as nobody") in done.stderr
    assert "wrong" not in done.stderr


def test_what_is_to_be_pushed_must_have_a_name(builder: Minibuild, context: Path) -> None:
    done = builder("build", "--push", context)
    assert (done.returncode, "nothing says where to push to" in done.stderr) == (2, True)


def test_who_logs_in_may_push_until_logging_out(
    minibuild: Minibuild, private: Registry, context: Path, tmp_path: Path
) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    user = replace(minibuild, environment={"DOCKER_CONFIG": str(tmp_path / "docker")})
    words = ("login", "-u", "me", "--password-stdin", private.host)
    assert user(*words, stdin="wrong\n").returncode == 7
    assert (
        user(*words, stdin="pass:word\n").stdout == f"{private.host} knows me; kept in {tmp_path}/docker/config.json\n"
    )
    assert (tmp_path / "docker/config.json").stat().st_mode & 0o777 == 0o600
    user.succeed("build", "-t", f"{private.host}/in:1", "--push", context)
    user.succeed("logout", private.host)
    assert user("push", f"{private.host}/in:1").returncode == 7
