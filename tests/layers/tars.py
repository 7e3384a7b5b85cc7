"""What the tests of layers share: tars made by hand, and a tree on disk as a table."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from minibuild.layers import tar
from minibuild.layers.entry import Entry
from tests.machine import is_root

MakeTar = Callable[..., io.BytesIO]


def member(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member for ``make_tar``: its name as it stands in the tar, and any field of a TarInfo."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def directory(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.DIRTYPE, **{"mode": 0o755, **fields})


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.SYMTYPE, linkname=target, mode=0o777)


def hard_link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=tarfile.LNKTYPE, linkname=target)


def make_tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> io.BytesIO:
    """A tar that the standard library wrote, at its start."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form, encoding="utf-8", errors="surrogateescape") as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    raw.seek(0)
    return raw


def written(*entries: Entry) -> bytes:
    """A tar of these entries; files are full of their path's first byte."""
    members = (tar.encode(entry) + content_of(entry) + tar.padding(entry.size) for entry in entries)
    return b"".join(members) + tar.END


def content_of(entry: Entry) -> bytes:
    return (entry.path.encode("utf-8", "surrogateescape")[:1] * entry.size)[: entry.size]


def read(raw: bytes) -> list[Entry]:
    """The entries of a tar, without the places of their contents."""
    return [entry._replace(offset=-1) for entry, _ in tar.read_entries(io.BytesIO(raw))]


def read_one(raw: bytes) -> Entry:
    (entry,) = read(raw)
    return entry


def listing(root: Path) -> dict[str, tuple[object, ...]]:
    """Every path below a directory with all that a layer can say of it, hard links told by their inode's first path."""
    found: dict[str, tuple[object, ...]] = {}
    first: dict[int, str] = {}
    paths = [root, *(Path(place, name) for place, dirs, files in os.walk(root) for name in (*dirs, *files))]
    for path in sorted(paths):
        status, name = path.lstat(), str(path.relative_to(root))
        kind = stat.S_IFMT(status.st_mode)
        content: object = None
        if kind == stat.S_IFREG:
            content = path.read_bytes()
        elif kind == stat.S_IFLNK:
            content = path.readlink()
        xattrs = {
            key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)
        }
        link = first.setdefault(status.st_ino, name) if kind != stat.S_IFDIR else ""
        found[name] = (
            kind, stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, int(status.st_mtime // 1),
            status.st_rdev, content, tuple(sorted(xattrs.items())), link,
        )  # fmt: skip
    return found


needs_root = pytest.mark.skipif(not is_root(), reason="owners, devices and capabilities are root's to set")
