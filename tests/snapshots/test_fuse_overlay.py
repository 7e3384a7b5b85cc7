"""What only fuse-overlayfs does."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from minibuild.errors import UnavailableError
from minibuild.snapshots.fuse_overlay import FuseOverlaySnapshotter
from tests.contracts.test_snapshotter import CASES, DRIVER, EXCEPTIONS, base, committed, opened, order, write
from tests.isolation import isolated
from tests.machine import require

SECOND = 1_000_000_000


@pytest.fixture
def snapshotter(tmp_path: Path) -> FuseOverlaySnapshotter:
    require("fuse-overlayfs", root=True)
    snapshotter = opened("fuse-overlayfs", tmp_path / "trees")
    assert isinstance(snapshotter, FuseOverlaySnapshotter)
    return snapshotter


def servants(place: str) -> list[int]:
    """The processes of fuse-overlayfs that serve a workspace, by the name of its directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if b"fuse-overlayfs" in words and place.encode() in words:
            found.append(int(path.parent.name))
    return found


@isolated
def test_the_program_lives_as_long_as_the_mount(snapshotter: FuseOverlaySnapshotter) -> None:
    with snapshotter.workspace(None) as workspace:
        place = workspace.root.parent.name
        assert len(servants(place)) == 1
        workspace.commit("one")
        assert servants(place) == []


@isolated
def test_a_killed_build_takes_the_program_with_it(snapshotter: FuseOverlaySnapshotter, tmp_path: Path) -> None:
    command = [sys.executable, "-c", DRIVER, snapshotter.name, str(tmp_path / "trees"), "", "workspace"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        [servant] = servants(f"{process.pid}-")
        watch = os.pidfd_open(servant)
        process.send_signal(signal.SIGKILL)

    ended, _, _ = select.select([watch], [], [], 30)
    os.close(watch)
    assert ended


@isolated
def test_a_program_that_cannot_serve_is_quoted(snapshotter: FuseOverlaySnapshotter) -> None:
    committed(snapshotter, "one", None, base)
    shutil.rmtree(snapshotter.shelf.files("one"))

    complaint = "^fuse-overlayfs serves no tree: cannot read lower dirs: No such file or directory$"
    with pytest.raises(UnavailableError, match=complaint), snapshotter.view("one"):
        pass


def aged(root: Path) -> None:
    """Files in a directory, all of them old."""
    write(root, {"d/f": "f", "d/g": "g"})
    for path in (root / "d/f", root / "d/g", root / "d"):
        os.utime(path, ns=(SECOND, SECOND))


def rewrite(root: Path) -> None:
    write(root, {"d/f": "changed"})


def replace(root: Path) -> None:
    write(root, {"d/new": "changed"})
    (root / "d/new").rename(root / "d/f")


def touch(root: Path) -> None:
    rewrite(root)
    os.utime(root / "d", ns=(SECOND, 7 * SECOND))


CHANGES: dict[Callable[[Path], None], range] = {
    rewrite: range(1, 2),
    touch: range(7, 8),
    replace: range(1_000_000_000, 1 << 40),
}


@pytest.mark.parametrize(("change", "seconds"), CHANGES.items(), ids=[change.__name__ for change in CHANGES])
@isolated
def test_a_directory_gets_no_younger_by_the_copying_of_files(
    snapshotter: FuseOverlaySnapshotter, change: Callable[[Path], None], seconds: range
) -> None:
    committed(snapshotter, "one", None, aged)

    changes = committed(snapshotter, "two", "one", change)

    assert [entry.mtime in seconds for entry, _ in changes if entry.path == "d"] == [True]
    with snapshotter.view("two") as root:
        assert int((root / "d").stat().st_mtime) in seconds


@isolated
def test_marks_in_files_are_taken_away(snapshotter: FuseOverlaySnapshotter) -> None:
    def anew(root: Path) -> None:
        shutil.rmtree(root / "d")
        write(root, {"d/new": "", "e/f": ""})

    committed(snapshotter, "one", None, base)
    committed(snapshotter, "two", "one", anew)

    assert not list(snapshotter.shelf.files("two").rglob(".wh.*"))
    with snapshotter.view("two") as root:
        assert sorted(os.listdir(root / "d")) == ["new"]


NAMESPACE = """
import json, sys, os
from pathlib import Path
from minibuild.sandbox import syscalls
from minibuild.snapshots.fuse_overlay import FuseOverlaySnapshotter
from tests.contracts.test_snapshotter import CASES, base, committed, described
syscalls.unshare(syscalls.CLONE_NEWUSER)
print("ready", flush=True)
sys.stdin.readline()
os.setgid(0), os.setuid(0)
assert FuseOverlaySnapshotter.probe(Path(sys.argv[1])) is None
snapshotter = FuseOverlaySnapshotter.open(Path(sys.argv[1]))
committed(snapshotter, "base", None, base)
for number, case in enumerate(CASES):
    if case.name in sys.argv[2:]:
        changes = committed(snapshotter, f"c{number}", "base", case.change)
        print(json.dumps([case.name, [described(entry) for entry, _ in changes]]))
"""


def test_a_user_namespace_gives_the_same_changes(tmp_path: Path) -> None:
    require("fuse-overlayfs", root=True)
    cases = [case for case in CASES if ("fuse-overlayfs", case.name) not in EXCEPTIONS and case.name != "special files"]
    command = [sys.executable, "-c", NAMESPACE, str(tmp_path), *(case.name for case in cases)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{process.pid}/{name}").write_text("0 0 1\n1 100001 60000\n")
        said, _ = process.communicate("go\n")

    assert [json.loads(line) for line in said.splitlines()] == [
        [case.name, sorted(case.expected, key=order)] for case in cases
    ]
