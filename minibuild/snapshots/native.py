"""Trees by copying: each chain is a whole directory. Works on every filesystem; where it can, copies share blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar

from minibuild.sandbox.copying import Stamp, copy_file, copy_tree, later_than, now, share, stamp
from minibuild.snapshots.difference import Item
from minibuild.snapshots.whole import Comparison, Directory, WholeTrees
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class NativeSnapshotter(WholeTrees):
    """Keeps trees as whole directories."""

    name: ClassVar[str] = "native"
    wants: ClassVar[str] = "files of other owners"

    @contextmanager
    def derived(self, parent: str | None, made: Path) -> Iterator[Path]:
        """A tree whose files are further names of those of another one."""
        files = _directory_in(made)
        copy_tree(os.fspath(self.files(parent)), os.fspath(files), share)
        yield files

    @contextmanager
    def copied(self, parent: str | None, made: Path) -> Iterator[tuple[Path, Comparison]]:
        """A copy, and the stamps of the copies: by them it is known later which are as they were."""
        files = _directory_in(made)
        stamps = copy_tree(os.fspath(self.files(parent)), os.fspath(files), copy_file)
        later_than(now())
        yield files, lambda _after: partial(_items, stamps)


def _directory_in(made: Path) -> Path:
    files = made / "fs"
    files.mkdir()
    return files


def _items(stamps: Mapping[str, Stamp], directory: Directory) -> list[Item[Directory]]:
    with os.scandir(directory.outside) as entries:
        statuses = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    items = {
        name: directory.item(name, status, is_same=_is_same(stamps, directory, name, status))
        for name, status in statuses.items()
    }
    if directory.before and stamps.get(directory.path) != stamp(os.lstat(directory.outside)):
        items.update((name, directory.vanished(name)) for name in os.listdir(directory.before) if name not in items)
    return [items[name] for name in sorted(items)]


def _is_same(stamps: Mapping[str, Stamp], directory: Directory, name: str, status: os.stat_result) -> bool:
    return directory.before is not None and stamps.get(directory.path_of(name)) == stamp(status)
