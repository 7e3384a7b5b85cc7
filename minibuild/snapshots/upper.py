"""An overlay's upper directory, read as a difference to the lower ones below it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from minibuild.layers.entry import Change
from minibuild.snapshots.difference import (
    Found,
    Item,
    attributes,
    changes_of,
    differs,
    is_whiteout_device,
    root_differs,
    selected,
    walk,
)


class _Directory(NamedTuple):
    """A directory of the upper tree, and the lower ones that it stands for, the topmost first.

    ``hidden``: it covers them, so that a name it lacks is gone.
    """

    path: str
    outside: str
    lowers: Sequence[str]
    hidden: bool


def changes(upper: str, lowers: Sequence[str], prefix: str) -> Iterator[Change]:
    """What an upper directory changes; ``prefix`` is where overlay keeps its marks (``trusted.overlay.``).

    Takes time by the number of changes, not by the size of the tree.
    """
    root = Found("", upper, os.lstat(upper)), root_differs(lowers[0], upper, prefix)
    rest = walk(_Directory("", upper, lowers, hidden=False), partial(_items, prefix))
    return changes_of(selected([root, *rest]), partial(attributes, overlay_prefix=prefix))


def _items(prefix: str, directory: _Directory) -> list[Item[_Directory]]:
    with os.scandir(directory.outside) as entries:
        items = {entry.name: _item(prefix, directory, entry) for entry in entries}
    if directory.hidden:
        for name in _names(directory.lowers) - items.keys():
            items[name] = Item(Found(f"{directory.path}/{name}".lstrip("/"), "", None), differs=True)
    return [items[name] for name in sorted(items)]


def _item(prefix: str, directory: _Directory, entry: os.DirEntry[str]) -> Item[_Directory]:
    path = f"{directory.path}/{entry.name}".lstrip("/")
    status = entry.stat(follow_symlinks=False)
    lowers = beneath(directory.lowers, entry.name, prefix)
    if is_whiteout_device(status):
        # fuse-overlayfs leaves one of whatever it deletes, even if nothing is below.
        return Item(Found(path, entry.path, None), differs=bool(lowers))
    found = Found(path, entry.path, status)
    changed = not lowers or differs(lowers[0], found, prefix)
    if not stat.S_ISDIR(status.st_mode):
        return Item(found, changed)
    merged = lowers if lowers and stat.S_ISDIR(os.lstat(lowers[0]).st_mode) else []
    hidden = directory.hidden or is_opaque(entry.path, prefix)
    return Item(found, changed, _Directory(path, entry.path, merged, hidden))


def beneath(lowers: Sequence[str], name: str, prefix: str) -> list[str]:
    """What a name stands for below: nothing, one thing, or directories that are merged, the topmost first."""
    beneath: list[str] = []
    for lower in lowers:
        there = f"{lower}/{name}"
        try:
            status = os.lstat(there)
        except FileNotFoundError:
            continue
        is_directory = stat.S_ISDIR(status.st_mode)
        if is_whiteout_device(status) or (beneath and not is_directory):
            break
        beneath.append(there)
        if not is_directory or is_opaque(there, prefix):
            break
    return beneath


def _names(lowers: Sequence[str]) -> set[str]:
    names: set[str] = set()
    gone: set[str] = set()
    for lower in lowers:
        with os.scandir(lower) as entries:
            for entry in entries:
                if entry.name not in names and is_whiteout_device(entry.stat(follow_symlinks=False)):
                    gone.add(entry.name)
                elif entry.name not in gone:
                    names.add(entry.name)
    return names


def is_opaque(directory: str, prefix: str) -> bool:
    """It hides what is below it."""
    try:
        return os.getxattr(directory, prefix + "opaque", follow_symlinks=False) == b"y"
    except OSError:
        return False
