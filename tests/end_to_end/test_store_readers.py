"""Other programs read the store itself, and the archives of several images that `save` writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import Minibuild
from tests.daemons import Dockerd
from tests.end_to_end.conftest import Project
from tests.end_to_end.test_readers import podman, run
from tests.machine import require

__all__ = ["podman"]
pytestmark = pytest.mark.e2e

DOCKERFILE = 'FROM scratch\nCOPY common /common\nCOPY {} /own\nCMD ["x"]\n'


@pytest.fixture
def kept(minibuild: Minibuild, project: Project) -> Minibuild:
    """minibuild with ``one:1`` and ``two:1`` in its store, which have a layer in common."""
    place = project({"common": "c", "one": "1", "two": "2"})
    for name in ("one", "two"):
        (place / "Dockerfile").write_text(DOCKERFILE.format(name))
        minibuild.succeed("build", "-t", f"{name}:1", place)
    return minibuild


def ids(minibuild: Minibuild, *names: str) -> list[str]:
    return minibuild.succeed("inspect", "-f", "{{.Id}}", *names).split()


def test_skopeo_copies_an_image_out_of_the_store_by_its_name(kept: Minibuild, tmp_path: Path) -> None:
    require("skopeo")
    for name in ("one", "two"):
        target = f"dir:{tmp_path}/{name}"
        run("skopeo", "copy", f"oci:{kept.root}:docker.io/library/{name}:1", target)
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert [manifest["config"]["digest"]] == ids(kept, f"{name}:1")


def test_umoci_unpacks_an_image_of_the_store(kept: Minibuild, tmp_path: Path) -> None:
    require("umoci", root=True)
    assert "docker.io/library/two:1" in run("umoci", "ls", "--layout", str(kept.root))
    run("umoci", "unpack", "--image", f"{kept.root}:docker.io/library/two:1", str(tmp_path / "bundle"))
    files = {path.name: path.read_text() for path in (tmp_path / "bundle/rootfs").iterdir()}
    assert files == {"common": "c", "own": "2"}


def test_docker_loads_all_images_of_an_archive(kept: Minibuild, dockerd: Dockerd, tmp_path: Path) -> None:
    kept.succeed("save", "-o", tmp_path / "both.tar", "one:1", "two:1")
    loaded = dockerd.run("load", "-i", str(tmp_path / "both.tar")).stdout
    assert loaded == "Loaded image: one:1\nLoaded image: two:1\n"
    assert [dockerd.inspect(f"{name}:1")["Id"] for name in ("one", "two")] == ids(kept, "one:1", "two:1")


def test_podman_loads_all_images_of_an_archive(kept: Minibuild, podman: tuple[str, ...], tmp_path: Path) -> None:
    kept.succeed("save", "-o", tmp_path / "both.tar", "one:1", "two:1")
    run(*podman, "load", "-i", str(tmp_path / "both.tar"))
    found = run(*podman, "images", "--no-trunc", "--format", "{{.Repository}} {{.ID}}").split()
    own = dict(zip(found[::2], found[1::2], strict=True))
    assert own == dict(zip(("localhost/one", "localhost/two"), ids(kept, "one:1", "two:1"), strict=True))


def test_docker_and_skopeo_each_find_their_image_in_an_archive_for_two_platforms(
    kept: Minibuild, dockerd: Dockerd, project: Project, tmp_path: Path
) -> None:
    require("skopeo")
    kept.succeed("build", "-t", "both:1", "--platform", "linux/amd64,linux/arm64", project({"x": ""}))
    kept.succeed("save", "-o", tmp_path / "both.tar", "both:1")
    dockerd.run("load", "-i", str(tmp_path / "both.tar"))
    assert [dockerd.inspect("both:1")["Id"]] == ids(kept, "both:1")
    config = run("skopeo", "inspect", "--override-arch=arm64", "--config", f"oci-archive:{tmp_path}/both.tar:1")
    assert json.loads(config)["architecture"] == "arm64"


def test_what_docker_and_podman_save_of_several_images_is_loaded(
    kept: Minibuild, dockerd: Dockerd, podman: tuple[str, ...], tmp_path: Path
) -> None:
    kept.succeed("save", "-o", tmp_path / "both.tar", "one:1", "two:1")
    dockerd.run("load", "-i", str(tmp_path / "both.tar"))
    run(*podman, "load", "-i", str(tmp_path / "both.tar"))
    dockerd.run("save", "-o", str(tmp_path / "docker.tar"), "one:1", "two:1")
    run(*podman, "save", "-m", "-o", str(tmp_path / "podman.tar"), "one:1", "two:1")
    for name, prefix in (("docker", ""), ("podman", "localhost/")):
        loaded = kept.at(tmp_path / name).succeed("load", "-q", "-i", tmp_path / f"{name}.tar")
        assert loaded == f"Loaded image: {prefix}one:1\nLoaded image: {prefix}two:1\n"


@pytest.mark.parametrize("output", ["--load", "save"])
def test_an_old_docker_gets_zstd_layers_uncompressed(
    kept: Minibuild, dockerd: Dockerd, project: Project, tmp_path: Path, output: str
) -> None:
    kept.succeed("build", "-o", f"type=oci,dest={tmp_path}/z.tar,compression=zstd,name=z:1", project({"x": ""}))
    other = kept.at(tmp_path / "other").with_variables(DOCKER_HOST=dockerd.host)
    other.succeed("load", "-i", tmp_path / "z.tar")
    if output == "save":
        other.succeed("save", "-o", tmp_path / "plain.tar", "z:1")
        dockerd.run("load", "-i", str(tmp_path / "plain.tar"))
    else:
        (tmp_path / "Dockerfile").write_text("FROM z:1\n")
        other.succeed("build", "-t", "z:1", "--load", tmp_path)
    assert dockerd.inspect("z:1")["Id"] == ids(other, "z:1")[0]


def test_an_old_docker_refuses_zstd_that_was_asked_for_in_so_many_words(
    kept: Minibuild, dockerd: Dockerd, project: Project
) -> None:
    words = ("-t", "z:2", "-o", "type=docker,compression=zstd")
    done = kept.with_variables(DOCKER_HOST=dockerd.host)("build", *words, project({"x": ""}))
    assert done.returncode == 7
    assert "error: the docker daemon refuses the image: " in done.stderr
    assert "hint: docker before 23 reads no zstd: leave compression=zstd out" in done.stderr
