"""minibuild in the place of kaniko's executor: jobs as people have them, with a real registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from base64 import b64encode
from pathlib import Path

import pytest

from tests import daemons
from tests.command import Minibuild
from tests.daemons import Registry
from tests.end_to_end.conftest import Project

pytestmark = pytest.mark.e2e

FILES = {
    "Dockerfile": "FROM busybox AS make\nARG VERSION\nRUN echo made $VERSION >/made\n"
    "FROM busybox\nCOPY --from=make /made /srv/\nCOPY app.txt /srv/\nRUN echo ran >/srv/ran\n",
    "app.txt": "hello\n",
}


@pytest.fixture
def app(project: Project) -> Path:
    return project(FILES)


def test_a_job_of_gitlabs_handbook_builds_and_pushes(
    builder: Minibuild, registry: Registry, app: Path, tmp_path: Path
) -> None:
    name = f"{registry.host}/kaniko/handbook:1"
    words = ["--context", app, "--dockerfile", app / "Dockerfile", "--destination", name, "--build-arg", "VERSION=7"]
    builder.succeed("kaniko", *words, "--digest-file", tmp_path / "made/digest")
    assert (tmp_path / "made/digest").read_text() == registry.inspect(name).digest
    assert builder.succeed("run", "--rm", name, "cat", "/srv/made", "/srv/app.txt") == "made 7\nhello\n"


def test_a_fresh_machine_finds_all_in_the_caches_repository(
    builder: Minibuild, registry: Registry, app: Path, tmp_path: Path
) -> None:
    words = ["kaniko", "-c", f"dir://{app}", "--cache=true", f"--cache-repo={registry.host}/kaniko/cache"]
    builder.succeed(*words, "-d", f"{registry.host}/kaniko/first:1")
    done = builder.at(tmp_path / "fresh")(*words, "-d", f"{registry.host}/kaniko/second:1")
    assert "steps   3 of 3 cached" in done.stderr
    assert registry.inspect(f"{registry.host}/kaniko/second:1") == registry.inspect(f"{registry.host}/kaniko/first:1")


def test_without_a_cache_every_step_is_run(builder: Minibuild, app: Path) -> None:
    builder.succeed("kaniko", "-c", app, "--no-push")
    assert "steps   0 of 4 cached" in builder("kaniko", "-c", app, "--no-push").stderr


def test_names_with_digests_are_written_for_each_destination(
    builder: Minibuild, registry: Registry, app: Path, tmp_path: Path
) -> None:
    names = [f"{registry.host}/kaniko/names:{tag}" for tag in ("a", "b")]
    words = [word for name in names for word in ("--destination", name)]
    files = ["--image-name-with-digest-file=names", "--image-name-tag-with-digest-file=tags"]
    builder.succeed("kaniko", "-c", app, *words, *files, cwd=tmp_path)
    digest = registry.inspect(names[1]).digest
    assert (tmp_path / "names").read_text() == f"{registry.host}/kaniko/names@{digest}\n" * 2
    assert (tmp_path / "tags").read_text() == "".join(f"{name}@{digest}\n" for name in names)


def test_a_tar_on_standard_input_becomes_an_archive_and_a_layout(builder: Minibuild, app: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "context.tar.gz", "w:gz") as tar:
        tar.add(app, ".")
    words = ["kaniko", "--context", "tar://stdin", "--no-push", "--destination=app:1"]
    words += ["--tarPath", str(tmp_path / "app.tar"), "--oci-layout-path", str(tmp_path / "layout")]
    with (tmp_path / "context.tar.gz").open("rb") as stdin:
        subprocess.run(builder.command(*words), env=builder.variables(), stdin=stdin, check=True, capture_output=True)
    with tarfile.open(tmp_path / "app.tar") as tar:
        [image] = json.load(tar.extractfile("manifest.json") or sys.exit("no manifest"))
    [manifest] = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    assert image["RepoTags"] == ["app:1"]
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"


def test_reproducible_images_are_the_same_whenever_they_are_made(builder: Minibuild, app: Path, tmp_path: Path) -> None:
    def made(name: str) -> bytes:
        words = ["kaniko", "-c", app, "--no-push", "--reproducible", "--oci-layout-path", tmp_path / name]
        builder.at(tmp_path / f"store-{name}").succeed(*words)
        os.utime(app / "app.txt", (1, 1))
        return (tmp_path / name / "index.json").read_bytes()

    assert made("first") == made("second")


def test_kanikos_own_directory_opens_a_private_registry(
    builder: Minibuild, private: Registry, app: Path, tmp_path: Path
) -> None:
    auths = {private.host: {"auth": b64encode(b"me:pass:word").decode()}}
    (tmp_path / "kaniko/.docker").mkdir(parents=True)
    (tmp_path / "kaniko/.docker/config.json").write_text(json.dumps({"auths": auths}))
    words = ["kaniko", "-c", app, "-d", f"{private.host}/kaniko:1"]
    assert builder(*words).returncode == 7
    builder.with_variables(KANIKO_DIR=str(tmp_path / "kaniko")).succeed(*words)


def test_a_registry_with_a_certificate_of_its_own_is_pushed_to_and_pulled_from(
    builder: Minibuild, certificate: Path, app: Path, tmp_path: Path
) -> None:
    with daemons.registry(tmp_path, certificate=certificate) as secure:
        words = ["kaniko", "-c", app, "-d", f"{secure.host}/library/app:1"]
        assert builder(*words).returncode == 7
        builder.succeed(*words, "--skip-tls-verify")
        (app / "Dockerfile").write_text("FROM app.test/library/app:1\nCOPY app.txt /again/\n")
        mapped = ["kaniko", "-c", app, "--no-push", "--registry-map", f"app.test=https://{secure.host}"]
        assert "certificate verify failed" in builder(*mapped).stderr
        builder.succeed(*mapped, "--registry-certificate", f"{secure.host}={certificate}")
