"""``-o type=registry,push-by-digest=true``: an image in a registry without a tag, for another job to give one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Minibuild
from tests.servers.registry import RegistryServer

PINNED = f"localhost:5/app@sha256:{'0' * 64}"


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    return root


def built(minibuild: Minibuild, project: Path, *words: str) -> dict[str, str]:
    """What the metadata file says of a build."""
    minibuild.succeed("build", *words, "--metadata-file", "metadata.json", ".", cwd=project)
    document: dict[str, str] = json.loads((project / "metadata.json").read_text())
    return document


@pytest.mark.parametrize("tagged", [False, True], ids=["named by the output", "named by -t"])
def test_only_the_digest_names_it_in_the_registry(
    minibuild: Minibuild, project: Path, server: RegistryServer, tagged: bool
) -> None:
    name = f"{server.host}/app"
    output = "type=image,push=true,push-by-digest=true"
    words = ("-t", name, "-o", output) if tagged else ("-o", f"{output},name={name}")
    document = built(minibuild, project, *words)
    assert document["image.name"] == name
    assert {key for key in server.manifests if key.startswith("app/")} == {f"app/{document['containerimage.digest']}"}


def test_the_canonical_name_stands_in_the_store_too(
    minibuild: Minibuild, project: Path, server: RegistryServer
) -> None:
    output = f"type=registry,name={server.host}/app,push-by-digest=true,name-canonical=true"
    digest = built(minibuild, project, "-o", output)["containerimage.digest"]
    assert minibuild.succeed("inspect", "-f", "{{.Descriptor.digest}}", f"{server.host}/app@{digest}") == f"{digest}\n"


def test_the_summary_has_the_words_to_go_on_with(minibuild: Minibuild, project: Path, server: RegistryServer) -> None:
    done = minibuild("build", "-o", f"type=registry,name={server.host}/app,push-by-digest=true", project)
    [digest] = [line.split()[1] for line in done.stderr.splitlines() if line.startswith("digest ")]
    assert f"\npushed  {server.host}/app@{digest}\n" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("-o", "type=registry,name=localhost:5/app:1,push-by-digest=true"),
            "error: localhost:5/app:1 has a tag, and push-by-digest=true pushes none\nhint: name it localhost:5/app\n",
        ),
        (
            ("-t", "localhost:5/app:1", "-o", "type=registry,push-by-digest=true"),
            "error: localhost:5/app:1 has a tag, and push-by-digest=true pushes none\nhint: name it localhost:5/app\n",
        ),
        (
            ("-o", "type=registry,push-by-digest=true"),
            "error: nothing says where to push to\nhint: name it: -t REGISTRY/REPOSITORY:TAG\n",
        ),
        (
            ("-o", f"type=registry,name={PINNED}"),
            f"error: {PINNED} has a digest, which only the bytes can give\nhint: leave @sha256:… out\n",
        ),
    ],
    ids=["a tag in the output", "a tag of the build", "no name", "a digest"],
)
def test_what_cannot_go_together_is_refused_before_anything_is_built(
    minibuild: Minibuild, project: Path, words: tuple[str, ...], says: str
) -> None:
    done = minibuild("build", *words, project)
    assert (done.returncode, done.stderr) == (2, says)
