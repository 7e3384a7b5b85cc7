"""Whose a file is, recorded beside what the kernel says: by what root of a single id makes of trees."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.pack import pack
from tests.accounts import open_directory
from tests.machine import require_user_namespaces

PACKAGES = str(Path(__file__).parent.parent.parent)


def alone(place: Path, script: str) -> str:
    """What a script prints that runs in a directory, as root of a user namespace with a single id."""
    require_user_namespaces()
    program = f"import os\nfrom minibuild.layers import owners\nfrom minibuild.layers.owners import *\n{script}"
    command = ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", program]
    path = os.pathsep.join([PACKAGES, *filter(None, sys.path)])
    done = subprocess.run(command, cwd=place, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


MAKE = """
os.mkdir("d"); open("d/file", "w").close(); os.symlink("file", "d/link"); os.mkfifo("d/pipe")
for number, name in enumerate(("d", "d/file", "d/link", "d/pipe")):
    owners.chown(name, Owner(100 + number, 4_000_000_000 if name == "d/file" else 200))
"""
TELL = """
for name in ("d", "d/file", "d/link", "d/pipe"):
    status = owners.lstat(name)
    print(name, status.st_uid, status.st_gid)
"""
TOLD = "d 100 200\nd/file 101 4000000000\nd/link 102 200\nd/pipe 103 200\n"


def test_an_owner_that_cannot_be_is_recorded(tmp_path: Path) -> None:
    assert alone(tmp_path, MAKE + TELL) == TOLD
    assert os.lstat(tmp_path / "d/file").st_uid == os.getuid()


def test_an_owner_stays_with_what_is_read_renamed_and_linked(tmp_path: Path) -> None:
    moves = """
os.rename("d", "x"); os.mkdir("y"); os.rename("x/link", "y/link"); os.readlink("y/link")
os.link("x/file", "y/file"); os.utime("y/link", ns=(owners.accessed(Owner(102, 200)), 5), follow_symlinks=False)
print([tuple(owners.lstat(path))[4:6] for path in ("y/link", "y/file", "x/file")])
"""
    assert alone(tmp_path, MAKE + moves) == "[(102, 200), (101, 4000000000), (101, 4000000000)]\n"


def test_a_copied_tree_keeps_owners(tmp_path: Path) -> None:
    copying = """
from minibuild.sandbox.copying import copy_tree, copy_file
os.mkdir("copy"); copy_tree(os.getcwd() + "/d", os.getcwd() + "/copy", copy_file); os.rename("d", "gone")
os.rename("copy", "d")
"""
    assert alone(tmp_path, MAKE + copying + TELL) == TOLD


def test_what_is_new_is_whose_made_it_or_its_directorys_group(tmp_path: Path) -> None:
    settling = """
from pathlib import Path
os.mkdir("d/new"); open("d/new/inner", "w").close(); os.chmod("d", 0o2755); os.symlink("x", "d/fresh")
owners.settle(Path("d"), Owner(7, 8))
for name in ("d", "d/file", "d/link", "d/fresh", "d/new", "d/new/inner"):
    print(name, *tuple(owners.lstat(name))[4:6])
"""
    assert alone(tmp_path, MAKE + settling).splitlines() == [
        "d 100 200",
        "d/file 101 4000000000",
        "d/link 102 200",
        "d/fresh 7 200",
        "d/new 7 200",
        "d/new/inner 7 8",
    ]


ENTRIES: Sequence[Entry] = (
    Entry("etc", Kind.DIRECTORY, 0o750, 3, 4, mtime=1),
    Entry("etc/disk", Kind.BLOCK, 0o660, 0, 6, mtime=2, device=(8, 1)),
    Entry("etc/link", Kind.SYMLINK, 0o777, 5, 6, link="shadow", mtime=2),
    Entry("etc/pipe", Kind.FIFO, 0o600, 5, 6, mtime=3),
    Entry("etc/shadow", Kind.FILE, 0o2640, 0, 42, size=3, mtime=4, xattrs={"user.note": b"n"}),
)
ROUND = """
import io, json, sys
from pathlib import Path
from minibuild.layers.unpack import WhiteoutStyle
from minibuild.snapshots.table import TABLE
trees = TABLE["@"].open(Path("trees"))
trees.import_layer("base", None, open("layer.tar", "rb"))
with trees.workspace("base") as workspace:
    os.rename(workspace.root / "etc/link", workspace.root / "moved")
    os.chmod(workspace.root / "etc/shadow", 0o600)
    (workspace.root / "new").touch(0o644)
    changes = [entry for entry, _ in workspace.commit("next", Owner(70, 71)).changes()]
print(json.dumps([[*entry[:5], sorted(entry.xattrs)] for entry in changes]))
with trees.workspace("next") as workspace:
    (workspace.root / "etc/pipe").unlink()
    os.replace(workspace.root / "etc/disk", workspace.root / "disk")
    again = [entry for entry, _ in workspace.commit("last").changes()]
print(json.dumps([[entry.path, entry.kind, entry.uid, entry.gid, list(entry.device)] for entry in again]))
"""


@pytest.mark.parametrize("snapshotter", ["overlay", "native"])
def test_layers_come_and_go_with_their_owners(snapshotter: str) -> None:
    changes: list[Change] = [(entry, None if entry.size == 0 else lambda: io.BytesIO(b"abc")) for entry in ENTRIES]
    with open_directory() as place:
        with open(place / "layer.tar", "wb") as sink:
            pack(changes, sink)
        first, second = map(json.loads, alone(place, ROUND.replace("@", snapshotter)).splitlines())
    assert first == [
        ["etc", "dir", 0o750, 3, 4, []],
        ["etc/link", "whiteout", 0, 0, 0, []],
        ["etc/shadow", "file", 0o600, 0, 42, ["user.note"]],
        ["moved", "symlink", 0o777, 5, 6, []],
        ["new", "file", 0o644, 70, 71, []],
    ]
    assert second == [
        ["disk", "block", 0, 6, [8, 1]],
        ["etc", "dir", 3, 4, [0, 0]],
        ["etc/disk", "whiteout", 0, 0, [0, 0]],
        ["etc/pipe", "whiteout", 0, 0, [0, 0]],
    ]
