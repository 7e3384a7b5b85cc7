"""What only copying does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minibuild.sandbox import mounts
from minibuild.snapshots.native import NativeSnapshotter
from tests.contracts.test_snapshotter import committed, contents, opened, write
from tests.filesystems import loop_mounted
from tests.isolation import isolated
from tests.machine import require

MIB = 1 << 20


@pytest.fixture
def native(tmp_path: Path) -> NativeSnapshotter:
    snapshotter = opened("native", tmp_path / "trees")
    assert isinstance(snapshotter, NativeSnapshotter)
    return snapshotter


@isolated
def test_a_write_through_one_name_of_a_file_changes_all_its_names(native: NativeSnapshotter) -> None:
    def two_names(root: Path) -> None:
        write(root, {"a": "a"})
        os.link(root / "a", root / "b")

    committed(native, "one", None, two_names)
    changes = committed(native, "two", "one", lambda root: write(root, {"a": "A"}))

    assert [(entry.kind, entry.path, entry.link) for entry, _ in changes] == [("file", "a", ""), ("hardlink", "b", "a")]
    with native.view("two") as root:
        assert contents(root) == {"a": "A", "b": "A"}


@isolated
def test_holes_stay_holes(native: NativeSnapshotter) -> None:
    def sparse(root: Path) -> None:
        with (root / "lastlog").open("wb") as file:
            file.seek(64 * MIB)
            file.write(b"x" * 4096)
            file.truncate(128 * MIB)

    committed(native, "one", None, sparse)
    committed(native, "two", "one", lambda root: write(root, {"f": ""}))

    copy = native.shelf.files("two") / "lastlog"
    assert (copy.stat().st_size, copy.read_bytes()[64 * MIB : 64 * MIB + 1]) == (128 * MIB, b"x")
    assert copy.stat().st_blocks * 512 < MIB


@isolated
def test_layers_of_one_chain_share_their_files_on_disk(native: NativeSnapshotter, tmp_path: Path) -> None:
    committed(native, "one", None, lambda root: write(root, {"f": "f"}))
    empty_layer = tmp_path / "empty.tar"
    empty_layer.write_bytes(bytes(1024))
    with empty_layer.open("rb") as layer:
        native.import_layer("two", "one", layer)

    assert (native.shelf.files("two") / "f").samefile(native.shelf.files("one") / "f")


@pytest.mark.parametrize(("kind", "words"), [("xfs", ["-m", "reflink=1"]), ("btrfs", [])])
@isolated
def test_copies_share_blocks_where_the_filesystem_can(tmp_path: Path, kind: str, words: list[str]) -> None:
    require(f"mkfs.{kind}", root=True)
    mounts.private_mounts()
    with loop_mounted(kind, tmp_path, *words) as place:
        native = opened("native", place / "trees")
        committed(native, "one", None, lambda root: (root / "big").write_bytes(os.urandom(MIB) * 64) and None)
        os.sync()
        before = os.statvfs(place)

        committed(native, "two", "one", lambda root: write(root, {"f": ""}))

        os.sync()
        assert (before.f_bfree - os.statvfs(place).f_bfree) * before.f_bsize < 8 * MIB
