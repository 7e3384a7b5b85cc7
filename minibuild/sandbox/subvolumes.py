"""Btrfs subvolumes by ioctl: made, copied, thrown away, and asked what was touched since they were copied.

Source: Linux, include/uapi/linux/btrfs.h and btrfs_tree.h.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

_SUBVOL_CREATE = 0x5000940E
_SNAP_CREATE_V2 = 0x50009417
_SNAP_DESTROY = 0x5000940F
_SYNC = 0x9408
_GET_SUBVOL_INFO = 0x81F8943C
_TREE_SEARCH_V2 = 0xC0709411

_VOLUME = struct.Struct("q4088s")  # descriptor, name
_VOLUME_V2 = struct.Struct("qQQ32x4040s")  # descriptor, transid, flags, name
_INFO_BYTES, _INFO_OTRANSID_AT = 504, 352
_KEY = struct.Struct("7Q4I4Q")  # tree; objectid, offset, transid: least and greatest; type: least, greatest; items
_ITEM = struct.Struct("3Q2I")  # transid, objectid, offset, type, bytes
_INODE = struct.Struct("QQ24xI")  # generation, transid, links
_BUFFER_BYTES = 1 << 17

_INODE_ITEM, _INODE_REF, _INODE_EXTREF = 1, 12, 13
_ROOT_INODE = 256
_LAST_INODE = (1 << 64) - 257
_GREATEST = (1 << 64) - 1
_ALL_ITEMS = (1 << 32) - 1

_Place: TypeAlias = tuple[int, int, int]
"""The key of an item: object, type, offset."""


def create(path: str) -> None:
    """Makes an empty subvolume at a path."""
    parent, name = os.path.split(path)
    with _opened(parent) as directory:
        _tell(directory, _SUBVOL_CREATE, _VOLUME.pack(0, os.fsencode(name)))


def snapshot(source: str, path: str) -> None:
    """Makes a subvolume at a path that has all that another one has, and may be written to."""
    parent, name = os.path.split(path)
    with _opened(source) as origin, _opened(parent) as directory:
        _tell(directory, _SNAP_CREATE_V2, _VOLUME_V2.pack(origin, 0, 0, os.fsencode(name)))


def destroy(path: str) -> None:
    """Throws a subvolume away, in time independent of its size. Only root may, unless the filesystem is mounted with
    ``user_subvol_rm_allowed``.
    """
    parent, name = os.path.split(path)
    with _opened(parent) as directory:
        _tell(directory, _SNAP_DESTROY, _VOLUME.pack(0, os.fsencode(name)))


def touched(path: str) -> frozenset[int]:
    """The inodes of a snapshot that were written in any way since it was made, and all directories above them: what
    is not among them is as it was. In time by what was touched, not by the size of the tree.

    Raises PermissionError for who isn't root in the first user namespace.
    """
    with _opened(path) as tree:
        info = bytearray(_INFO_BYTES)
        fcntl.ioctl(tree, _GET_SUBVOL_INFO, info)
        [made] = struct.unpack_from("Q", info, _INFO_OTRANSID_AT)
        fcntl.ioctl(tree, _SYNC)  # inodes are written into the tree late
        return frozenset(_Touched(tree).since(made + 1))


class _Item(NamedTuple):
    objectid: int
    type: int
    offset: int
    data: memoryview


class _Touched:
    """Inodes that were touched, and the directories above them."""

    def __init__(self, tree: int) -> None:
        self._tree = tree
        self._links: dict[int, int] = {}
        self._parents: dict[int, list[int]] = {}

    def since(self, transaction: int) -> Iterator[int]:
        """Those that were touched in a transaction or a later one."""
        for item in _search(self._tree, (_ROOT_INODE, 0, 0), (_LAST_INODE, 255, _GREATEST), transaction):
            if item.type == _INODE_ITEM:
                _, touched, links = _INODE.unpack_from(item.data)
                if touched >= transaction:
                    self._links[item.objectid] = links
            elif item.type in (_INODE_REF, _INODE_EXTREF):
                self._parents.setdefault(item.objectid, []).append(_parent(item))
        yield from self._links
        yield from self._above()

    def _above(self) -> set[int]:
        """All directories above those that were touched."""
        above = {_ROOT_INODE}
        pending = [parent for inode, links in self._links.items() for parent in self._parents_of(inode, links)]
        while pending:
            directory = pending.pop()
            if directory not in above:
                above.add(directory)
                pending += self._parents_of(directory, 1)
        return above

    def _parents_of(self, inode: int, links: int) -> list[int]:
        """The directories in which an inode has names; some of several names may stand in leaves nobody touched."""
        if links == 1 and inode in self._parents:
            return self._parents[inode]
        items = _search(self._tree, (inode, _INODE_REF, 0), (inode, _INODE_EXTREF, _GREATEST))
        return [_parent(item) for item in items]


def _parent(item: _Item) -> int:
    return item.offset if item.type == _INODE_REF else int.from_bytes(item.data[:8], "little")


def _search(tree: int, first: _Place, last: _Place, transaction: int = 0) -> Iterator[_Item]:
    """The items of a subvolume's tree between two places, in their order, out of leaves that were written in a
    transaction or a later one.
    """
    while first <= last:
        buffer = bytearray(_KEY.size + 8 + _BUFFER_BYTES)
        bounds = (first[0], last[0], first[2], last[2], transaction, _GREATEST, first[1], last[1])
        _KEY.pack_into(buffer, 0, 0, *bounds, _ALL_ITEMS, 0, 0, 0, 0, 0)
        struct.pack_into("Q", buffer, _KEY.size, _BUFFER_BYTES)
        fcntl.ioctl(tree, _TREE_SEARCH_V2, buffer)
        count = _KEY.unpack_from(buffer)[9]
        if not count:
            return
        view, at = memoryview(buffer), _KEY.size + 8
        for _ in range(count):
            _, objectid, offset, kind, size = _ITEM.unpack_from(view, at)
            yield _Item(objectid, kind, offset, view[at + _ITEM.size : at + _ITEM.size + size])
            at += _ITEM.size + size
        first = _after(objectid, kind, offset)


def _after(objectid: int, kind: int, offset: int) -> _Place:
    if offset < _GREATEST:
        return objectid, kind, offset + 1
    return (objectid, kind + 1, 0) if kind < 255 else (objectid + 1, 0, 0)


def _tell(directory: int, request: int, words: bytes) -> None:
    fcntl.ioctl(directory, request, bytearray(words))  # bytes may have 1024 of them


@contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
