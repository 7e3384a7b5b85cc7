"""What only btrfs does."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from minibuild.sandbox import subvolumes
from minibuild.snapshots import retain
from minibuild.snapshots.btrfs import BtrfsSnapshotter
from tests.contracts.test_snapshotter import committed, opened, write
from tests.isolation import isolated
from tests.machine import require


@pytest.fixture
def snapshotter(btrfs: Path) -> BtrfsSnapshotter:
    snapshotter = opened("btrfs", btrfs / uuid4().hex)
    assert isinstance(snapshotter, BtrfsSnapshotter)
    return snapshotter


def many_files(root: Path) -> None:
    write(root, {f"d{number % 20}/deep/f{number}": "f" for number in range(600)})


@isolated
def test_only_what_was_touched_is_looked_at(snapshotter: BtrfsSnapshotter) -> None:
    committed(snapshotter, "one", None, many_files)
    committed(snapshotter, "two", "one", lambda root: write(root, {"d3/deep/f3": "changed"}))
    files = snapshotter.shelf.files("two")

    touched = subvolumes.touched(os.fspath(files))

    inodes = {path: (files / path).stat().st_ino for path in ("", "d3", "d3/deep", "d3/deep/f3")}
    assert touched == set(inodes.values())


@isolated
def test_names_far_apart_of_a_file_with_very_many_are_all_found(snapshotter: BtrfsSnapshotter) -> None:
    def linked(root: Path) -> None:
        write(root, {"a/f": "f"})
        for number in range(400):
            (root / f"d{number % 7}").mkdir(exist_ok=True)
            os.link(root / "a/f", root / f"d{number % 7}" / f"{number}-{'x' * 200}")

    committed(snapshotter, "one", None, linked)
    changes = committed(snapshotter, "two", "one", lambda root: os.chmod(root / "a/f", 0o600))

    assert len([entry for entry, _ in changes if entry.kind == "hardlink"]) == 400


@isolated
def test_a_forgotten_chain_takes_its_subvolume_along(snapshotter: BtrfsSnapshotter) -> None:
    committed(snapshotter, "one", None, many_files)
    committed(snapshotter, "two", "one", many_files)

    snapshotter.retain(["one"])

    root = snapshotter.shelf.root
    listed = subprocess.run(["btrfs", "subvolume", "list", root], capture_output=True, text=True, check=True)
    kept = [Path(line.split()[-1]).parent for line in listed.stdout.splitlines()]
    assert [path.name for path in kept if path.parent.name == root.name] == ["one"]


@isolated
def test_a_directory_that_swapped_places_with_another_is_compared_with_what_was_there(
    snapshotter: BtrfsSnapshotter,
) -> None:
    def two(root: Path) -> None:
        write(root, {"a/x": "x", "a/same": "s", "b/x": "other", "b/same": "s"})
        for path in root.glob("*/same"):
            os.utime(path, (9, 9))

    def swap(root: Path) -> None:
        os.rename(root / "a", root / "c")
        os.rename(root / "b", root / "a")
        os.rename(root / "c", root / "b")

    committed(snapshotter, "one", None, two)
    changes = committed(snapshotter, "two", "one", swap)

    assert [entry.path for entry, _ in changes if entry.kind == "file"] == ["a/x", "b/x"]


@isolated
def test_the_empty_tree_is_open_to_all(snapshotter: BtrfsSnapshotter) -> None:
    with snapshotter.view(None) as root:
        assert stat.S_IMODE(root.stat().st_mode) == 0o755


@isolated
def test_where_no_subvolume_can_be_made_there_is_nothing_to_forget(tmp_path: Path) -> None:
    require(root=True)
    directory = tmp_path / "snapshots/btrfs"

    assert BtrfsSnapshotter.probe(directory) == "subvolumes can't be had here: inappropriate ioctl for device"

    retain(tmp_path, [])
    assert sorted(os.listdir(directory)) == [".new"]
