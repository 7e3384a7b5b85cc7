"""A plain user without subordinate ids builds what root builds: owners are recorded where nobody can be given files."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from minibuild.runtimes.table import ISOLATING
from tests.accounts import open_directory
from tests.command import Minibuild
from tests.end_to_end.conftest import Project
from tests.end_to_end.test_plain_user import FILES, layers_of, write_odd

pytestmark = pytest.mark.e2e

GIVEN = """\
FROM busybox
RUN mkdir /d && cd /d && touch file other && \\
    ln -s file link && ln -s d /up && mkfifo pipe && chmod 6755 file other && \\
    ln file hard && chown 5:6 hard && \\
    chown -h 7:8 link && chown 9:10 pipe && chown :11 other && chown 12 /up/other && \\
    chmod 2775 /d && chgrp 50 /d && touch inherits && mkdir below && touch below/too && mknod null c 1 3 && \\
    mknod -m 640 disk b 8 1000 && chown 0:6 disk && touch -h -d @5 link && mv link moved && ! chown 1 nowhere && \\
    touch -h -d @0 /d/* /d/below/* /d /up /
RUN rm /d/pipe && mv /d/null /d/zero && cp -a /d/moved /d/copy && chown 0:0 /d/hard && \\
    touch -h -d @0 /d/copy /d /
FROM busybox
COPY --from=0 /d /d
RUN --mount=type=cache,target=/c,uid=3 --mount=type=bind,from=0,target=/b \\
    echo x > /c/x && chown 4:4 /c/x && cp -a /b/d/disk /d/again && touch -d @0 /d
"""
SWITCHED = """\
FROM busybox
RUN echo app:x:70:71::/srv:/bin/sh >> /etc/passwd && touch -d @0 /etc/passwd /etc && mkdir -m 777 /work && \\
    echo mine > /work/roots && chmod 666 /work/roots && touch -d @0 /work/* /work /
USER app
RUN cd /work && echo changed >> roots && echo new > new && ln -s new link && mkdir made && \\
    touch new
USER root
RUN echo more >> /work/new && mv /work/roots /work/still
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that the user can reach."""
    with open_directory() as path:
        yield path


@pytest.mark.parametrize("runtime", [name for name in ISOLATING if name != "podman"])
def test_the_image_is_the_same_as_roots_by_every_runtime(
    builder: Minibuild, alone: Minibuild, project: Project, runtime: str
) -> None:
    root = project(FILES)
    os.utime(root / "file", (0, 0))
    for anybody in (builder, alone):
        anybody.with_variables(SOURCE_DATE_EPOCH="0").succeed("build", "-t", "owners", "--runtime", runtime, root)
    assert layers_of(alone, "owners") == layers_of(builder, "owners")


@pytest.mark.parametrize("text", [GIVEN, SWITCHED], ids=["given", "switched"])
@pytest.mark.parametrize("snapshotter", ["overlay", "native"])
def test_every_way_to_own_a_file_comes_to_what_it_comes_to_for_root(
    builder: Minibuild, alone: Minibuild, project: Project, text: str, snapshotter: str
) -> None:
    root = project({"Dockerfile": text})
    words = ("build", "-t", "given", "--progress=plain", "--snapshotter", snapshotter, root)
    for anybody in (builder, alone):
        anybody.succeed(*words)
    assert differing(alone, builder, "given") == []


def test_devices_and_owners_of_a_base_come_through(builder: Minibuild, alone: Minibuild, project: Project) -> None:
    text = "FROM busybox\nADD odd.tar /\nRUN rm /odd/pipe && mv /odd/disk /odd/moved && touch -d @0 /odd\n"
    root = project({"Dockerfile": text})
    write_odd(root / "odd.tar")
    for anybody in (builder, alone):
        anybody.with_variables(SOURCE_DATE_EPOCH="0").succeed("build", "-t", "odd", root)
    assert layers_of(alone, "odd") == layers_of(builder, "odd")


PACKAGES = """\
FROM debian:bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends openssh-client supervisor && \\
    supervisord --version && rm -rf /var/lib/apt/lists/*
"""


@pytest.mark.usefixtures("debian_base")
def test_packages_are_installed_with_the_owners_that_they_want(
    builder: Minibuild, alone: Minibuild, project: Project
) -> None:
    root = project({"Dockerfile": PACKAGES})
    for anybody in (builder, alone):
        anybody.succeed("build", "-t", "packages", root, timeout=900)
    assert differing(alone, builder, "packages") == []


def differing(one: Minibuild, other: Minibuild, name: str) -> list[tuple[object, ...]]:
    """What two builders have otherwise at the paths of an image's layers."""
    layers = list(zip(owners(one, name), owners(other, name), strict=True))
    paths = [(mine, path, theirs) for mine, theirs in layers for path in sorted({*mine, *theirs})]
    return [(path, a.get(path), b.get(path)) for a, path, b in paths if a.get(path) != b.get(path)]


def owners(builder: Minibuild, name: str) -> list[dict[str, tuple[object, ...]]]:
    """What stands at each path of each layer, and whose it is."""
    archive = builder.root.parent / f"{name}.tar"
    builder.succeed("save", "-o", archive, name)
    with tarfile.open(archive) as outer:
        names = json.loads(outer.extractfile("manifest.json").read())[0]["Layers"]  # type: ignore[union-attr]
        return [owners_in(outer.extractfile(name)) for name in names]


def owners_in(layer: IO[bytes] | None) -> dict[str, tuple[object, ...]]:
    assert layer
    with tarfile.open(fileobj=layer) as members:
        return {
            member.name: (
                *(member.type, oct(member.mode), member.uid, member.gid),
                *(member.linkname, member.devmajor, member.devminor, sorted(member.pax_headers.keys() - {"mtime"})),
            )
            for member in members
        }


DEAF = """
import os, struct, sys
from minibuild.sandbox import filters, syscalls
number = filters.architecture().calls['seccomp']
syscalls.prctl(38, 1)
syscalls.set_filter(b"".join(struct.pack("HBBI", *one) for one in (
    (0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 24), (0x45, 0, 1, 8), (6, 0, 0, 0x50016), (6, 0, 0, 0x7FFF0000)
)))
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_where_nobody_can_listen_what_is_lost_is_told(alone: Minibuild, project: Project) -> None:
    root = project({"Dockerfile": "FROM busybox\nRUN touch /f && chown 5:6 /f && mknod /null c 1 3\n"})
    hindered = alone.with_prefix(*alone.prefix, alone.interpreter, "-c", DEAF)

    done = hindered("build", "-t", "lost", root)

    assert done.returncode == 0, done.stderr
    assert "all files that a RUN gives to others stay root's in the image" in done.stderr
    assert owners(alone, "lost")[-1]["f"][2:4] == (0, 0)


def test_a_container_runs_as_whoever_it_is_told(alone: Minibuild, project: Project) -> None:
    alone.succeed("build", "-t", "app", project({"Dockerfile": "FROM busybox\nRUN chown 5:6 /home\n"}))
    assert alone("run", "--rm", "app", "sh", "-c", "chown 7:8 /home && exit 7").returncode == 7


def test_the_store_is_the_users_and_can_be_thrown_away(
    alone: Minibuild, project: Project, lone_account: object
) -> None:
    closed = "mkdir -m 0700 /d && touch /d/x && chown -R 5:7 /d && chmod 0 /d"
    alone.succeed("build", "-t", "app", project({"Dockerfile": f"FROM busybox\nRUN {closed}\n"}))
    owned = {path.lstat().st_uid for path in alone.root.rglob("*")}
    alone.succeed("rmi", "app", "busybox")
    alone.succeed("prune")
    assert (len(owned), lone_account is not None) == (1, True)
    assert list(alone.root.glob("snapshots/*/[0-9a-f]*")) == []
