"""Trees as btrfs subvolumes: each chain is a snapshot of the one it stands on, made at once and sharing all its blocks.

What changed is read out of the filesystem's own tree, by the transactions in which inodes were written; who may not
read that (who isn't root) compares the two trees, in which what is the same has the same inode and time of change.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import ClassVar

from minibuild.sandbox import subvolumes
from minibuild.sandbox.copying import later_than, now
from minibuild.sandbox.scratch import remove_tree
from minibuild.sandbox.userns import in_first_user_namespace
from minibuild.snapshots.whole import Comparison, Listing, WholeTrees, in_place
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

    @contextmanager
    def derived(self, parent: str | None, made: Path) -> Iterator[Path]:
        """A snapshot of a tree."""
        subvolumes.snapshot(os.fspath(self.files(parent)), os.fspath(made / "fs"))
        yield made / "fs"

    @contextmanager
    def copied(self, parent: str | None, made: Path) -> Iterator[tuple[Path, Comparison]]:
        """A snapshot of a tree."""
        began = now()
        with self.derived(parent, made) as files:
            if not in_first_user_namespace():
                later_than(began)  # times are all that we will have to compare
            yield files, _listing


def _listing(after: str) -> Listing:
    try:
        return partial(in_place, subvolumes.touched(after))
    except PermissionError:
        return partial(in_place, None)
