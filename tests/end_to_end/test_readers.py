"""Other programs read what minibuild writes, and see the tree that was built: docker, podman, skopeo, umoci."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sysconfig
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.machine import require

pytestmark = pytest.mark.e2e

# Everything a layer can hold and everything a later layer can take away.
DOCKERFILE = """\
FROM debian:bookworm
LABEL of=readers
RUN mkdir -p /t/gone /t/emptied /t/becomes-file /t/deep/er && cd /t \\
 && echo 1 > gone/file && echo 2 > emptied/file && echo 3 > becomes-file/inside && echo 4 > becomes-directory \\
 && echo 5 > first && ln first second && ln -s first link && ln -s /nowhere dangling && mkfifo pipe \\
 && mknod null c 1 3 && mknod disk b 7 0 && cp /bin/true setuid && chmod 4755 setuid && mkdir sticky \\
 && chmod 1777 sticky && echo 6 > owned && chown 1234:2345 owned && echo 7 > dated && touch -d @981173106 dated \\
 && head -c 3000000 /dev/zero | tr '\\0' x > large && touch 'with blank' "$(printf 'not-utf8-\\377')" \\
 && n=$(printf '%0200d' 0) && mkdir -p "$n/$n" && echo 8 > "$n/$n/$n"
RUN cd /t && rm -r gone && rm emptied/file && rm -r becomes-file && echo 9 > becomes-file \\
 && rm becomes-directory && mkdir becomes-directory && echo 10 > becomes-directory/inside \\
 && rm -r deep && mkdir deep && echo 11 > deep/new && echo 12 >> second && chmod 600 large
RUN cd /t && cp /bin/true capable && perl -e '@words = ("capable", "security.capability"); \
    $value = pack("V5", 0x02000001, 1 << 10, 0, 0, 0); exit syscall($ARGV[0] + 0, @words, $value, 20, 0)' \
    $([ "$(uname -m)" = x86_64 ] && echo 188 || echo 5)
COPY --chown=7:8 --chmod=640 copied /t/
"""
CAPABILITY = "SCHILY.xattr.security.capability"


@dataclass(frozen=True)
class Tree:
    """What was built, as every reader gets it: an archive, a layout, and the plain tree as a tar."""

    archive: Path
    layout: Path
    tar: Path
    image_id: str
    minibuild: Minibuild
    project: Path


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory,
    registry: Registry,
    debian_base: BaseImage,  # noqa: ARG001
) -> Tree:
    """The tree, built once and exported every way."""
    place = tmp_path_factory.mktemp("readers")
    project = place / "project"
    project.mkdir()
    (project / "Dockerfile").write_text(DOCKERFILE)
    (project / "copied").write_text("13\n")
    os.setxattr(project / "copied", "user.note", b"kept?")
    minibuild = Minibuild(place / "store").with_mirror(registry)
    tree = Tree(place / "image.tar", place / "layout", place / "tree.tar", "", minibuild, project)
    outputs = (
        f"type=docker,dest={tree.archive}",
        f"type=oci,tar=false,dest={tree.layout}",
        f"type=tar,dest={tree.tar}",
    )
    for output in outputs:
        minibuild.succeed("build", "-t", "readers:1", "-o", output, project, timeout=600)
    return replace(tree, image_id=minibuild.succeed("build", "-q", project).strip())


def described(tree: tarfile.TarFile, below: str = "t/") -> dict[str, tuple[object, ...]]:
    """What matters of each entry below a directory; hard links are what they link to, with the link count's group."""
    members = {member.name.removeprefix("./").removeprefix("/"): member for member in tree}
    found = {}
    for name, member in members.items():
        if not name.startswith(below):
            continue
        target = members[member.linkname.removeprefix("./").removeprefix("/")] if member.islnk() else member
        opened = tree.extractfile(target) if target.isreg() else None
        found[name] = (
            b"0" if target.isreg() else target.type,
            oct(target.mode & 0o7777),
            target.uid,
            target.gid,
            int(target.mtime),
            target.linkname if target.issym() else "",
            (target.devmajor, target.devminor) if target.isdev() else None,
            target.pax_headers.get(CAPABILITY, ""),
            opened.read() if opened else b"",
        )
    return found


def of_file(path: Path) -> dict[str, tuple[object, ...]]:
    """What a tar file holds."""
    with tarfile.open(path) as tree:
        return described(tree)


def of_directory(path: Path) -> dict[str, tuple[object, ...]]:
    """What a directory holds, read by GNU tar."""
    packed = subprocess.run(
        [
            "tar",
            "--create",
            "--xattrs",
            "--xattrs-include=*",
            "--format=posix",
            "--numeric-owner",
            "--directory",
            str(path),
            "t",
        ],
        capture_output=True,
        check=True,
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as tree:
        return described(tree)


def test_what_was_built_has_the_files_that_the_dockerfile_says(built: Tree) -> None:
    tree = of_file(built.tar)
    gone = {"t/gone", "t/gone/file", "t/emptied/file", "t/becomes-file/inside", "t/deep/er"}
    assert not gone & set(tree)
    assert tree["t/copied"][1:4] == ("0o640", 7, 8)
    assert tree["t/owned"][2:5] == (1234, 2345, tree["t/owned"][4])
    assert tree["t/dated"][4] == 981173106
    assert tree["t/setuid"][1] == "0o4755"
    # On overlayfs a write to one name of a lower layer's file leaves the other name alone, as it does under docker.
    assert (tree["t/first"][-1], tree["t/second"][-1]) == (b"5\n", b"5\n12\n")
    assert tree["t/large"][1] == "0o600"
    assert tree["t/null"][6] == (1, 3)
    assert tree["t/capable"][7].encode("utf-8", "surrogateescape")[:8] == b"\x01\0\0\x02\0\x04\0\0"
    assert "t/not-utf8-\udcff" in tree


def test_docker_exports_the_same_tree(built: Tree, dockerd: Dockerd, tmp_path: Path) -> None:
    dockerd.run("load", "-i", str(built.archive))
    assert dockerd.inspect("readers:1")["Id"] == built.image_id
    container = dockerd.run("create", "--net", "none", "readers:1", "true").stdout.strip()
    dockerd.run("export", "-o", str(tmp_path / "export.tar"), container)
    dockerd.run("rm", container)
    assert of_file(tmp_path / "export.tar") == of_file(built.tar)


def test_umoci_unpacks_the_same_tree(built: Tree, tmp_path: Path) -> None:
    require("umoci", root=True)
    run("umoci", "unpack", "--image", f"{built.layout}:{layout_tag(built.layout)}", str(tmp_path / "bundle"))
    assert of_directory(tmp_path / "bundle" / "rootfs") == of_file(built.tar)


@pytest.mark.parametrize(("manner", "layers"), [("base", 3), ("all", 1)])
def test_umoci_unpacks_the_same_tree_out_of_fewer_layers(built: Tree, tmp_path: Path, manner: str, layers: int) -> None:
    require("umoci", root=True)
    words = ("--squash=" + manner, "-t", f"squashed:{manner}", "-o", f"type=oci,tar=false,dest={tmp_path}/layout")
    built.minibuild.succeed("build", *words, built.project)
    run("umoci", "unpack", "--image", f"{tmp_path}/layout:{manner}", str(tmp_path / "bundle"))
    assert of_directory(tmp_path / "bundle" / "rootfs") == of_file(built.tar)
    [found] = json.loads(built.minibuild.succeed("inspect", f"squashed:{manner}"))
    assert len(found["RootFS"]["Layers"]) == layers


def test_docker_exports_the_same_tree_out_of_fewer_layers(built: Tree, dockerd: Dockerd, tmp_path: Path) -> None:
    built.minibuild.with_variables(DOCKER_HOST=dockerd.host).succeed(
        "build", "--squash", "-t", "squashed:1", "--load", built.project
    )
    container = dockerd.run("create", "--net", "none", "squashed:1", "true").stdout.strip()
    dockerd.run("export", "-o", str(tmp_path / "export.tar"), container)
    dockerd.run("rm", container)
    assert of_file(tmp_path / "export.tar") == of_file(built.tar)
    history = dockerd.run("history", "--format", "{{.Size}} {{.Comment}}", "squashed:1").stdout.splitlines()
    assert " merge sha256:" in history[0]
    steps = DOCKERFILE.count("\nRUN") + DOCKERFILE.count("\nCOPY")
    assert {line.partition(" ")[0] for line in history[1 : 1 + steps]} == {"0B"}


def test_skopeo_reads_the_archive_and_the_layout(built: Tree) -> None:
    require("skopeo")
    for source in (f"docker-archive:{built.archive}", f"oci:{built.layout}", f"oci-archive:{built.archive}"):
        config = json.loads(run("skopeo", "inspect", "--config", source))
        assert config["os"] == "linux"
        assert [line for line in config["history"] if "copied" in line["created_by"]]


def test_skopeo_copies_every_blob_and_checks_it(built: Tree, tmp_path: Path) -> None:
    require("skopeo")
    run("skopeo", "copy", f"oci:{built.layout}", f"docker-archive:{tmp_path}/copy.tar:readers:2")
    with tarfile.open(tmp_path / "copy.tar") as copy:
        assert built.image_id.removeprefix("sha256:") + ".json" in copy.getnames()


def test_container_structure_test_finds_the_archive_in_order(built: Tree, tmp_path: Path) -> None:
    wanted = {
        "schemaVersion": "2.0.0",
        "fileExistenceTests": [{"name": "gone", "path": "/t/gone", "shouldExist": False}],
        "fileContentTests": [{"name": "appended", "path": "/t/second", "expectedContents": ["5\n12"]}],
        "metadataTest": {"cmd": ["bash"], "labels": [{"key": "of", "value": "readers"}]},
    }
    # YAML is a superset of JSON.
    (tmp_path / "wanted.yaml").write_text(json.dumps(wanted))
    program = Path(sysconfig.get_path("scripts"), "container-structure-test")
    archive = ("--driver", "tar", "--image", str(built.archive))
    run(str(program), "test", *archive, "--config", str(tmp_path / "wanted.yaml"))


@pytest.fixture
def podman() -> Iterator[tuple[str, ...]]:
    """podman with a storage of its own, whose path may not be long."""
    require("podman", "runc", root=True)
    with tempfile.TemporaryDirectory(prefix="podman-") as place:
        command = ("podman", "--root", f"{place}/root", "--runroot", f"{place}/run", "--runtime=runc")
        command = (*command, "--cgroup-manager=cgroupfs", "--events-backend=none")
        yield command
        run(*command, "system", "reset", "--force")


def test_podman_loads_and_runs_it(built: Tree, podman: tuple[str, ...]) -> None:
    assert "readers:1" in run(*podman, "load", "-i", str(built.archive))
    # podman asks for higher limits than a container of this machine may set.
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1000:1000")
    assert run(*podman, "run", "--rm", "--net=host", *limits, "readers:1", "cat", "/t/copied") == "13\n"


def layout_tag(layout: Path) -> str:
    """The name that a layout gives its image."""
    [manifest] = json.loads((layout / "index.json").read_text())["manifests"]
    return str(manifest["annotations"]["org.opencontainers.image.ref.name"])


def run(*command: str) -> str:
    """A program's output; AssertionError with all it said when it fails."""
    done: subprocess.CompletedProcess[str] = _run(command)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
