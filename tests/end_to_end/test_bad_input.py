"""Bad input: one clear error, the remedy, the exit code that scripts rely on, and a store that works afterwards."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Registry
from tests.end_to_end.conftest import Project
from tests.machine import require

pytestmark = pytest.mark.e2e

GOOD = {"Dockerfile": "FROM busybox\nCOPY app.txt /\nRUN cat /app.txt\n", "app.txt": "hello\n"}


@dataclass(frozen=True)
class Bad:
    """A project and arguments that can't be built; ``says`` are parts of the message and its remedy."""

    name: str
    code: int
    says: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=lambda: GOOD)
    arguments: tuple[str, ...] = ("{root}",)

    def __str__(self) -> str:
        return self.name


def text(dockerfile: str) -> Mapping[str, str]:
    """A project with this Dockerfile."""
    return GOOD | {"Dockerfile": dockerfile}


CASES = (
    Bad("no such context", 4, ("nowhere",), arguments=("{root}/nowhere",)),
    Bad("context is a file", 4, ("app.txt",), arguments=("{root}/app.txt",)),
    Bad("no Dockerfile", 4, ("Dockerfile",), files={"app.txt": ""}),
    Bad("no such Dockerfile", 4, ("Other.Dockerfile",), arguments=("-f", "Other.Dockerfile", "{root}")),
    Bad("empty Dockerfile", 3, ("Dockerfile",), text("# nothing\n")),
    Bad("no FROM", 3, ("Dockerfile:1:1: error:", "FROM"), text("RUN true\n")),
    Bad(
        "unknown instruction", 3, ("Dockerfile:2:1: error:", "CMT", "did you mean CMD?"), text("FROM busybox\nCMT x\n")
    ),
    Bad(
        "unknown flag",
        3,
        ("Dockerfile:2:6: error:", "--form", "did you mean --from?", "^^^^^^"),
        text("FROM busybox\nCOPY --form=a /b /c\n"),
    ),
    Bad(
        "two errors",
        3,
        ("Dockerfile:2:1", "Dockerfile:3:1"),
        text("FROM busybox\nCMT x\nRUM y\n"),
    ),
    Bad("no such base", 7, ("nonesuch", "Dockerfile:1:6"), text("FROM nonesuch:1\n")),
    Bad("no such tag", 7, ("busybox:nonesuch", "Dockerfile:1:6"), text("FROM busybox:nonesuch\n")),
    Bad("base in capitals", 3, ("BusyBox", "busybox"), text("FROM BusyBox\n")),
    Bad(
        "no such target",
        2,
        ("'biuld'", "did you mean"),
        text("FROM busybox AS build\n"),
        ("--target", "biuld", "{root}"),
    ),
    Bad(
        "no such stage to copy from",
        3,
        ("Dockerfile:2:", "3"),
        text("FROM busybox AS build\nCOPY --from=3 /bin/sh /\n"),
    ),
    Bad("no such file", 4, ("missing.txt", "Dockerfile:2:6"), text("FROM busybox\nCOPY missing.txt /\n")),
    Bad(
        "ignored file",
        4,
        ("app.txt", ".dockerignore", "line 2"),
        text("FROM busybox\nCOPY app.txt /\n") | {".dockerignore": "# nothing of these\n*.txt\n"},
    ),
    Bad("no such user", 7, ("nosuch", "Dockerfile:3:"), text("FROM busybox\nUSER nosuch\nRUN true\n")),
    Bad(
        "failing command",
        5,
        ("Dockerfile:2:", "exit 7", "status 7", "look"),
        text("FROM busybox\nRUN echo look; exit 7\n"),
    ),
    Bad("command not found", 5, ("status 127", "nonesuch"), text("FROM busybox\nRUN nonesuch --now\n")),
    Bad("no such runtime", 2, ("nonesuch", "crun"), arguments=("--runtime", "nonesuch", "{root}")),
    Bad("no such snapshotter", 2, ("nonesuch", "overlay"), arguments=("--snapshotter", "nonesuch", "{root}")),
    Bad("unknown option", 2, ("--tagg", "--tag"), arguments=("--tagg", "x", "{root}")),
    Bad("bad tag", 2, ("Bad:Name",), arguments=("-t", "Bad:Name", "{root}")),
    Bad("bad output", 2, ("type",), arguments=("-o", "type=nonesuch,dest=x", "{root}")),
    Bad("no such daemon", 6, ("nonesuch.sock", "DOCKER_HOST"), arguments=("--load", "{root}")),
    Bad(
        "base in a missing archive",
        7,
        ("missing.tar",),
        arguments=("--build-context", "busybox=docker-archive:missing.tar", "{root}"),
    ),
    Bad("flag of a later version", 3, ("Dockerfile:2:5", "--device"), text("FROM busybox\nRUN --device=gpu true\n")),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_ends_with_one_clear_error_and_the_store_works(builder: Minibuild, project: Project, case: Bad) -> None:
    root = project(case.files)
    daemonless = builder.with_variables(DOCKER_HOST="unix:///nonexistent/nonesuch.sock")
    done = daemonless("build", *(word.format(root=root) for word in case.arguments), cwd=root)
    assert done.returncode == case.code, done.stderr
    missing = [part for part in case.says if part not in done.stderr]
    assert not missing, f"doesn't say {missing}:\n{done.stderr}"
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    builder_still_works(builder, project)


def builder_still_works(builder: Minibuild, project: Project) -> None:
    """Asserts that the same store builds a good project, and that its parts are whole."""
    shutil.rmtree(project({}), ignore_errors=True)
    builder.succeed("build", "-t", "good", project(GOOD))
    assert builder.succeed("run", "--rm", "good", "cat", "/app.txt") == "hello\n"
    with sqlite3.connect(builder.root / "cache.sqlite") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_an_unreadable_file_is_named(builder: Minibuild, project: Project) -> None:
    require("setpriv", root=True)
    root = project({"Dockerfile": "FROM scratch\nCOPY . /\n", "secret.txt": "x", "fine.txt": "y"})
    (root / "secret.txt").chmod(0)
    plain = nobodys(builder, root)
    done = plain("build", root)
    assert done.returncode == 4, done.stderr
    assert "secret.txt" in done.stderr
    (root / "secret.txt").unlink()
    plain.succeed("build", root)


def test_a_fifo_in_the_context_is_refused_by_name_when_copied(builder: Minibuild, project: Project) -> None:
    root = project({"Dockerfile": "FROM scratch\nCOPY pipe /\n"})
    os.mkfifo(root / "pipe")
    done = builder("build", root, timeout=30)
    assert done.returncode == 4, done.stderr
    assert "pipe" in done.stderr


def test_a_fifo_among_other_files_does_not_stop_the_build(builder: Minibuild, project: Project) -> None:
    root = project({"Dockerfile": "FROM scratch\nCOPY . /\n", "file": "x"})
    os.mkfifo(root / "pipe")
    done = builder("build", "-o", f"type=local,dest={root.parent}/tree", root, timeout=30)
    assert (root.parent / "tree" / "file").read_text() == "x"
    assert done.returncode == 0, done.stderr
    assert "pipe" in done.stderr


def test_a_base_whose_bytes_are_not_those_of_its_digest_is_refused(
    minibuild: Minibuild, project: Project, busybox_base: BaseImage, tmp_path: Path
) -> None:
    layout = tmp_path / "layout"
    shutil.copytree(busybox_base.layout, layout)
    largest = max((layout / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    damaged = bytearray(largest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    largest.write_bytes(damaged)
    root = project(GOOD)
    done = minibuild("build", "--build-context", f"busybox=oci-layout://{layout}", root)
    assert done.returncode == 7, done.stderr
    assert largest.name[:12] in done.stderr
    sound = f"busybox=oci-layout://{busybox_base.layout}"
    minibuild.succeed("build", "--build-context", sound, root)


def test_a_registry_that_is_down_is_named(minibuild: Minibuild, project: Project) -> None:
    offline = minibuild.with_variables(MINIBUILD_REGISTRY_MIRROR="localhost:9=http://localhost:9")
    done = offline("build", project(text("FROM localhost:9/some/base:1\n")), timeout=120)
    assert done.returncode == 7, done.stderr
    assert "localhost:9" in done.stderr


@pytest.mark.parametrize("snapshotter", ["overlay", "native"])
def test_a_full_disk_is_said_and_survived(
    registry: Registry, busybox_base: BaseImage, project: Project, tmp_path: Path, snapshotter: str
) -> None:
    require("unshare", "mount", root=True)
    assert busybox_base.archive.exists()
    root = project(GOOD | {"Big.Dockerfile": "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=40\n"})
    store = tmp_path / "store"
    store.mkdir()
    builder = Minibuild(store).with_mirror(registry)
    build = [*builder.command("build", "--snapshotter", snapshotter)]
    script = f"""
        mount -t tmpfs -o size=24m none {store}
        {" ".join(build)} -f {root}/Big.Dockerfile {root}; echo "first: $?"
        {" ".join(build)} {root}; echo "second: $?"
    """
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], env=builder.variables(), capture_output=True, text=True, timeout=120
    )
    assert "first: 5" in done.stdout, done.stdout + done.stderr
    assert "No space left on device" in done.stderr
    assert "second: 0" in done.stdout, done.stderr


def test_a_context_that_fills_the_disk_is_said_and_survived(tmp_path: Path, project: Project) -> None:
    require("unshare", "mount", root=True)
    root = project({"Dockerfile": "FROM scratch\nCOPY f* /\n", "f": "small\n"})
    (root / "fat").write_bytes(os.urandom(16_000_000))
    store = tmp_path / "store"
    store.mkdir()
    build = " ".join(Minibuild(store).command("build", str(root)))
    script = f"""
        mount -t tmpfs -o size=8m none {store}
        {build}; echo "first: $?"
        rm {root}/fat
        {build}; echo "second: $?"
    """
    done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=120)
    assert "first: 6" in done.stdout, done.stdout + done.stderr
    assert f"{store}/tmp has no room left" in done.stderr
    assert "Traceback" not in done.stderr
    assert "second: 0" in done.stdout, done.stderr


def nobodys(builder: Minibuild, project: Path) -> Minibuild:
    """The same as ``nobody``, who owns the store and may read what the project lets them."""
    for directory in (project, *project.parents):
        if not directory.stat().st_mode & 0o001:
            directory.chmod(directory.stat().st_mode | 0o011)
    builder.root.mkdir(exist_ok=True)
    os.chown(builder.root, 65534, 65534)
    return builder.as_nobody()
