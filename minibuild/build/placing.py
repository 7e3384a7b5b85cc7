"""Puts selected files into a directory of this machine, where a RUN is to see them."""

from __future__ import annotations

import os
from pathlib import Path

from minibuild.build.selecting import Selected
from minibuild.layers import owners
from minibuild.layers.entry import Entry, Kind
from minibuild.layers.owners import Owner

_BLOCK = 1 << 20


def place(selected: Selected, target: Path) -> None:
    """Makes ``target``, which isn't there yet, be what was selected, with owners, modes, times and hard links."""
    if selected.entry.kind is not Kind.DIRECTORY:
        _write(selected, selected.entry, os.fspath(target))
        return
    os.mkdir(target, 0o700)
    placed: dict[str, str] = {}
    directories = [(os.fspath(target), selected.entry)]
    for entry in selected.below:
        path = f"{target}/{selected.relative(entry)}"
        if entry.kind is Kind.DIRECTORY:
            os.mkdir(path, 0o700)
            directories.append((path, entry))
        elif entry.kind is Kind.HARDLINK and entry.link in placed:
            os.link(placed[entry.link], path)
        elif entry.kind is Kind.SYMLINK:
            os.symlink(entry.link, path)
            owners.chown(path, Owner(entry.uid, entry.gid))
        else:
            _write(selected, entry, path)
        placed[entry.path] = path
        if entry.kind is Kind.HARDLINK:
            placed.setdefault(entry.link, path)
    for path, entry in reversed(directories):
        _adorn(path, entry)


def _write(selected: Selected, entry: Entry, path: str) -> None:
    with selected.tree.opener(entry)() as source, open(path, "xb") as target:
        while block := source.read(_BLOCK):
            target.write(block)
    _adorn(path, entry)


def _adorn(path: str, entry: Entry) -> None:
    owners.chown(path, Owner(entry.uid, entry.gid))
    os.chmod(path, entry.mode)
    for name, value in entry.xattrs.items():
        os.setxattr(path, name, value)
    os.utime(path, (entry.mtime, entry.mtime))
