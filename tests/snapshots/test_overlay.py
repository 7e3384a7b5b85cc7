"""What only overlay does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minibuild.sandbox import mounts
from minibuild.snapshots.overlay import OverlaySnapshotter
from tests.contracts.test_snapshotter import committed, contents, opened, write
from tests.isolation import isolated


@pytest.fixture
def overlay(tmp_path: Path) -> OverlaySnapshotter:
    snapshotter = opened("overlay", tmp_path / "trees")
    assert isinstance(snapshotter, OverlaySnapshotter)
    return snapshotter


@isolated
def test_a_chain_keeps_only_what_it_changes(overlay: OverlaySnapshotter) -> None:
    committed(overlay, "one", None, lambda root: write(root, {"a": "a", "d/b": "b"}))
    committed(overlay, "two", "one", lambda root: write(root, {"d/c": "c"}))

    assert contents(overlay.shelf.files("two")) == {"d/c": "c"}


@isolated
def test_a_write_through_one_name_of_a_file_is_a_change_of_that_name(overlay: OverlaySnapshotter) -> None:
    def two_names(root: Path) -> None:
        write(root, {"a": "a"})
        os.link(root / "a", root / "b")

    committed(overlay, "one", None, two_names)
    changes = committed(overlay, "two", "one", lambda root: write(root, {"a": "A"}))

    assert [(entry.kind, entry.path) for entry, _ in changes] == [("file", "a")]
    with overlay.view("two") as root:
        assert contents(root) == {"a": "A", "b": "a"}


@isolated
def test_chains_deeper_than_a_mount_takes_are_copied_into_one_directory(overlay: OverlaySnapshotter) -> None:
    parent = None
    depth = mounts.OVERLAY_LIMIT + 5
    for number in range(depth):
        with overlay.shelf.new() as made:
            (made / "fs").mkdir(mode=0o755)
            write(made / "fs", {f"f{number}": "", "last": f"{number}"})
            overlay.shelf.publish(made, f"c{number}", parent)
        parent = f"c{number}"

    changes = committed(overlay, "top", parent, lambda root: (root / "f0").unlink())

    assert [(entry.kind, entry.path) for entry, _ in changes] == [("whiteout", "f0")]
    with overlay.view("top") as root:
        assert (len(list(root.iterdir())), (root / "last").read_text()) == (depth, f"{depth - 1}")


@isolated
def test_what_a_program_names_like_a_mark_of_overlays_is_its_own(overlay: OverlaySnapshotter) -> None:
    def change(root: Path) -> None:
        write(root, {"f": "f"})
        os.setxattr(root / "f", "trusted.overlay.opaque", b"y")
        os.setxattr(root / "f", "user.overlay.opaque", b"y")

    ((entry, _),) = committed(overlay, "one", None, change)

    assert entry.xattrs == {"trusted.overlay.opaque": b"y", "user.overlay.opaque": b"y"}
