"""Trees as btrfs subvolumes: each chain is a snapshot of the one it stands on, made at once and sharing all its blocks.

What changed is read out of the filesystem's own tree, by the transactions in which inodes were written; who may not
read that (who isn't root) compares the two trees, in which what is the same has the same inode and time of change.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from minibuild.sandbox import subvolumes
from minibuild.sandbox.copying import stamp
from minibuild.sandbox.scratch import remove_tree
from minibuild.snapshots.difference import Item
from minibuild.snapshots.whole import Comparison, Directory, Listing, WholeTrees
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class BtrfsSnapshotter(WholeTrees):
    """Keeps trees as subvolumes."""

    name: ClassVar[str] = "btrfs"
    wants: ClassVar[str] = "subvolumes"

    @staticmethod
    def remove(directory: Path) -> None:
        """Throws away a directory of the shelf; who may not throw away a subvolume at once empties it."""
        for files in (directory / "fs", directory / "removed/fs"):
            with suppress(FileNotFoundError):
                try:
                    subvolumes.destroy(os.fspath(files))
                except OSError:
                    remove_tree(files)
        remove_tree(directory)

    def make(self, files: Path) -> None:
        """Makes the empty tree, unless it is there."""
        with suppress(FileExistsError):
            subvolumes.create(os.fspath(files))
            os.chmod(files, 0o755)

    def derive(self, before: Path, files: Path) -> None:
        """Makes a snapshot of a tree."""
        subvolumes.snapshot(os.fspath(before), os.fspath(files))

    def copy(self, before: Path, files: Path) -> Comparison:
        """Makes a snapshot of a tree."""
        self.derive(before, files)
        return _listing


def _listing(after: str) -> Listing:
    try:
        return partial(_items, subvolumes.touched(after))
    except PermissionError:
        return partial(_items, None)


def _items(touched: frozenset[int] | None, directory: Directory) -> list[Item[Directory]]:
    """What was touched in a directory (None: all that is in it), or stands elsewhere than before, or is no more."""
    earlier = _inodes(directory.before) if directory.before else {}
    now = _inodes(directory.outside)
    items = {name: directory.vanished(name) for name in earlier if name not in now}
    for name, inode in now.items():
        is_in_place = earlier.get(name) == inode
        if not is_in_place or touched is None or inode in touched:
            status = os.lstat(f"{directory.outside}/{name}")
            # Read at most: the time of access is no change.
            is_same = is_in_place and stamp(os.lstat(f"{directory.before}/{name}")) == stamp(status)
            items[name] = directory.item(name, status, is_same=is_same)
    return [items[name] for name in sorted(items)]


def _inodes(directory: str) -> dict[str, int]:
    with os.scandir(directory) as entries:
        return {entry.name: entry.inode() for entry in entries}
