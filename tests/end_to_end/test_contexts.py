"""Every form of context, out of GNU tar, git's daemon and web servers on loopback; Docker's BuildKit has the same."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.accounts import open_directory
from tests.command import Minibuild
from tests.daemons import Dockerd
from tests.differential.docker import BuildKit
from tests.differential.images import ArchiveReader, Files
from tests.end_to_end.conftest import Project
from tests.machine import require
from tests.servers.private import PrivateServer, serving_privately
from tests.servers.repositories import commit, serving

pytestmark = pytest.mark.e2e

FILES = {
    "Dockerfile": "FROM scratch\nCOPY . /\n",
    ".dockerignore": "left.out\n",
    "left.out": "not from a tar",
    "bin/tool": "#!/bin/sh\n",
    "d/f": "of a directory",
}
ALONE = "FROM scratch\nLABEL from=alone\nWORKDIR /w\n"


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that all users can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture
def tars(project: Project, tmp_path: Path) -> Path:
    """A directory with a context as GNU tar packs it, in several ways, and a Dockerfile."""
    require("tar", "xz", "zstd", "bzip2")
    root = project(FILES)
    (root / "bin/tool").chmod(0o755)
    (root / "link").symlink_to("d/f")
    os.link(root / "d/f", root / "d/g")
    site = tmp_path / "site"
    site.mkdir()
    for name in ("c.tar", "c.tar.gz", "c.tar.bz2", "c.tar.xz", "c.tar.zst"):
        subprocess.run(["tar", "-c", "-a", "--owner=5", "--group=6", "-f", site / name, "-C", root, "."], check=True)
    (site / "Dockerfile").write_text(ALONE)
    return site


@pytest.fixture
def web(tars: Path) -> Iterator[PrivateServer]:
    with serving_privately(tars) as server:
        yield server


def tree_of(archive: Path) -> Files:
    [image] = ArchiveReader().read(archive).values()
    return image.files


def built(minibuild: Minibuild, tmp_path: Path, *words: str | Path, stdin: Path | None = None) -> Files:
    """The tree that minibuild makes."""
    command = minibuild.command("build", "-t", "x:1", "-o", f"type=docker,dest={tmp_path}/ours.tar", *words)
    with open(stdin or os.devnull, "rb") as stream:
        done = subprocess.run(command, stdin=stream, capture_output=True, text=True, env=minibuild.variables())
    assert done.returncode == 0, done.stderr
    return tree_of(tmp_path / "ours.tar")


def built_by_docker(dockerd: Dockerd, tmp_path: Path, *words: str | Path, stdin: Path | None = None) -> Files:
    """The tree that Docker's BuildKit makes."""
    docker = BuildKit.of(dockerd)
    command = [docker.program, "build", "--no-cache", "--network=host", "-t", "contexts:1", *map(str, words)]
    environment = os.environ | {"DOCKER_HOST": dockerd.host, "DOCKER_BUILDKIT": "1"}
    with open(stdin or os.devnull, "rb") as stream:
        done = subprocess.run(command, stdin=stream, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    dockerd.run("save", "-o", str(tmp_path / "theirs.tar"), "contexts:1")
    dockerd.run("rmi", "contexts:1")
    return tree_of(tmp_path / "theirs.tar")


@pytest.mark.parametrize("name", ["c.tar", "c.tar.gz", "c.tar.bz2", "c.tar.xz", "Dockerfile"])
def test_standard_input_is_what_it_is_to_docker(
    minibuild: Minibuild, dockerd: Dockerd, tars: Path, tmp_path: Path, name: str
) -> None:
    ours = built(minibuild, tmp_path, "-", stdin=tars / name)
    assert ours == built_by_docker(dockerd, tmp_path, "-", stdin=tars / name)


@pytest.mark.parametrize("name", ["c.tar.gz", "c.tar.xz", "Dockerfile"])
def test_a_url_is_what_it_is_to_docker(
    minibuild: Minibuild, dockerd: Dockerd, web: PrivateServer, tmp_path: Path, name: str
) -> None:
    address = f"{web.url}/{name}"
    assert built(minibuild, tmp_path, address) == built_by_docker(dockerd, tmp_path, address)


def test_a_tarball_on_disk_is_what_it_is_on_standard_input(minibuild: Minibuild, tars: Path, tmp_path: Path) -> None:
    ours = built(minibuild, tmp_path, tars / "c.tar.zst")
    assert ours == built(minibuild, tmp_path, "-", stdin=tars / "c.tar")
    assert {"left.out", "link", "d/g"} <= ours.keys()


def test_a_dockerfile_on_standard_input_goes_with_a_directory_as_in_docker(
    minibuild: Minibuild, dockerd: Dockerd, tars: Path, tmp_path: Path
) -> None:
    (tmp_path / "project" / "Dockerfile").unlink()
    (tars / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    words = ("-f", "-", tmp_path / "project")
    ours = built(minibuild, tmp_path, *words, stdin=tars / "Dockerfile")
    assert ours == built_by_docker(dockerd, tmp_path, *words, stdin=tars / "Dockerfile")
    assert "left.out" not in ours


def test_a_repository_is_built_from_a_ref_and_a_directory(minibuild: Minibuild, tmp_path: Path) -> None:
    require("git")
    commit(tmp_path / "served" / "app.git", {"sub/Dockerfile": "FROM scratch\nCOPY f /\n", "sub/f": "one"})
    with serving(tmp_path / "served") as address:
        ours = built(minibuild, tmp_path, f"{address}/app.git#main:sub")
    assert ours["f"].content == "one"


def test_files_of_a_named_context_are_copied_and_mounted(anybody: Minibuild, project: Project, tmp_path: Path) -> None:
    mounted = "RUN --mount=from=src,target=/src cat /src/f && ! test -e /src/secret\n"
    root = project({"Dockerfile": f"FROM busybox\n{mounted}COPY --from=src f /copied\n"})
    other = tmp_path / "other"
    other.mkdir()
    for name, text in (("f", "of another directory"), ("secret", ""), (".dockerignore", "secret\n")):
        (other / name).write_text(text)
    words = ("build", "--progress=plain", "--build-context", f"src={other}", root)
    done = anybody(*words)
    assert done.returncode == 0, done.stderr
    assert "of another directory" in done.stderr
    assert "2 of 2 cached" in anybody(*words).stderr
    (other / "f").write_text("changed")
    assert "0 of 2 cached" in anybody(*words).stderr


def test_a_tar_on_standard_input_feeds_a_run(anybody: Minibuild, tmp_path: Path) -> None:
    text = "FROM busybox\nRUN --mount=target=/context cat /context/f > /made\nCOPY f /f\n"
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "Dockerfile").write_text(text)
    (tmp_path / "c" / "f").write_text("from a tar")
    subprocess.run(["tar", "-c", "-f", tmp_path / "c.tar", "-C", tmp_path / "c", "."], check=True)
    with (tmp_path / "c.tar").open("rb") as stream:
        done = subprocess.run(
            anybody.command("build", "-"), stdin=stream, capture_output=True, text=True, env=anybody.variables()
        )
    assert done.returncode == 0, done.stderr


def test_a_terminal_is_no_context(minibuild: Minibuild) -> None:
    leader, follower = os.openpty()
    try:
        done = subprocess.run(
            minibuild.command("build", "-"), stdin=follower, capture_output=True, text=True, env=minibuild.variables()
        )
    finally:
        os.close(leader)
        os.close(follower)
    assert done.returncode == 2
    assert done.stderr.startswith("error: standard input is a terminal, wanted a Dockerfile or a tar\nhint: ")


def test_secrets_of_repositories_are_in_nobody_s_sight(minibuild: Minibuild, tmp_path: Path) -> None:
    """While git runs, its arguments, which everybody can read, hold none."""
    require("git", "strace")
    commit(tmp_path / "work", {"Dockerfile": "FROM scratch\n"})
    subprocess.run(["git", "update-server-info"], cwd=tmp_path / "work", check=True)
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "app.git").symlink_to(tmp_path / "work" / ".git")
    (tmp_path / "token").write_text("s3cret-of-nobody")
    words = ("--secret", f"id=GIT_AUTH_TOKEN,src={tmp_path}/token")
    with serving_privately(tmp_path / "site") as server:
        traced = ["strace", "-f", "-qq", "-s", "10000", "-e", "trace=execve", "-e", "signal=none"]
        command = [*traced, *minibuild.command("build", *words, f"{server.url}/app.git")]
        done = subprocess.run(command, capture_output=True, text=True, env=minibuild.variables())
    assert done.returncode == 0, done.stderr
    assert any(server.shown)
    assert "execve" in done.stderr
    assert "s3cret" not in done.stderr
    assert not any(header.split()[-1] in done.stderr for header in server.shown if header)
