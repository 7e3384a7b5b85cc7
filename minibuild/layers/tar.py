"""Reads a tar's entries, strictly: a layer's headers decide what is written where.

Reads ustar, PAX, GNU's long names and binary numbers, and old V7. Whatever else, whatever is damaged and whatever leads
out of the root is refused by name. ``encode`` is the way back. Source: POSIX.1-2017 pax; image-spec layer.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from minibuild.errors import ImageError, IntegrityError
from minibuild.layers import names, pax
from minibuild.layers.entry import NO_XATTRS, Entry, Kind
from minibuild.layers.header import BLOCK, Header, encode, is_header, padding, parse

__all__ = ["BLOCK", "END", "encode", "is_header", "padding", "read_entries"]

END = bytes(2 * BLOCK)
"""Two blocks of zeros: the end of every archive, and the whole of an empty one."""

LARGEST_FILE = 1 << 40

_KINDS: Mapping[bytes, Kind] = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHARACTER,
    b"4": Kind.BLOCK,
    b"5": Kind.DIRECTORY,
    b"6": Kind.FIFO,
    b"7": Kind.FILE,  # "contiguous", which nobody does
}
_LINKS = (Kind.HARDLINK, Kind.SYMLINK)
_EXTENSIONS = b"xXgLK"
_LARGEST_ID = 0xFFFFFFFE  # the next one means "leave it as it is" to chown(2)
_FARTHEST_TIME = 1 << 53
_LARGEST_XATTR = 1 << 16
_CHUNK = 1 << 20

# Overlay's own attributes redirect a directory to another one, or hide it: a layer must not bring any.
_OVERLAY_XATTRS = (b"trusted.overlay.", b"user.overlay.", b"user.fuseoverlayfs.")
# What a global header may give to all entries after it; a name or a size for all of them can only be an attack.
_GLOBAL_KEYS = (b"uid", b"gid", b"mtime")
_NO_RECORDS: Mapping[bytes, bytes] = {}


def read_entries(stream: BinaryIO) -> Iterator[tuple[Entry, Content]]:
    """The entries of an uncompressed tar, each with its content, which can be read until the next one is asked for.

    Reads the stream to its very end, past the archive's. Entries come in the tar's order, names cleaned, as often as
    they stand there. Raises ImageError, or IntegrityError where bytes are missing or damaged, naming the entry.
    """
    source = _Source(stream)
    shared: dict[bytes, bytes] = {}
    local: dict[bytes, bytes] = {}
    while (block := source.header()) is not None:
        header = parse(block)
        if header.flag in _EXTENSIONS:
            _extend(header, source.extension(header), shared, local)
            continue
        entry, size = _entry(header, {**shared, **local} if shared or local else _NO_RECORDS, source.position)
        local = {}
        content = Content(source, size, header.name)
        if entry:
            yield entry, content
        content.finish()
    if local:
        raise IntegrityError("the tar ends after the PAX records or the long name of an entry")
    source.drain()


class _Source:
    """The stream, read in whole pieces and counted."""

    __slots__ = ("_read", "position")

    def __init__(self, stream: BinaryIO) -> None:
        self._read = stream.read
        self.position = 0

    def header(self) -> bytes | None:
        """The next header block; None at the end: a block of zeros, or none at all as Go's reader has it."""
        block = self._exactly(BLOCK)
        if not block:
            return None
        if len(block) < BLOCK:
            raise IntegrityError(f"the tar ends in the middle of a header, after {self.position} bytes")
        if block[0] or block.count(0) < BLOCK:
            return block
        second = self._exactly(BLOCK)
        if second.count(0) < len(second):
            raise IntegrityError(f"the tar goes on after a block of zeros, at byte {self.position - BLOCK}")
        return None

    def extension(self, header: Header) -> bytes:
        """The content of a PAX header or a long name."""
        if header.size > pax.LARGEST:
            raise ImageError(f"{header.name!r} has PAX records or a long name of {header.size} bytes")
        return self.piece(header.size + (-header.size % BLOCK), header.name)[: header.size]

    def piece(self, size: int, name: str) -> bytes:
        """So many bytes; raises IntegrityError, naming whose they are, where the stream ends before."""
        data = self._exactly(size)
        if len(data) < size:
            raise IntegrityError(f"the tar ends in the middle of {name!r}")
        return data

    def some(self, size: int, name: str) -> bytes:
        """At least one and at most so many bytes, as the stream gives them."""
        data = self._read(size)
        if not data:
            raise IntegrityError(f"the tar ends in the middle of {name!r}")
        self.position += len(data)
        return data

    def drain(self) -> None:
        """Reads what comes after the archive's end."""
        while self._read(_CHUNK):
            pass

    def _exactly(self, size: int) -> bytes:
        data = self._read(size) if size else b""
        while len(data) < size and (more := self._read(size - len(data))):
            data += more
        self.position += len(data)
        return data


class Content:
    """One member's content, read once, from its start to its end."""

    # No io.RawIOBase: making one for each member would take as long as all else that is done for it.
    __slots__ = ("_left", "_name", "_padding", "_source")

    def __init__(self, source: _Source, size: int, name: str) -> None:
        self._source, self._left, self._padding, self._name = source, size, -size % BLOCK, name

    def read(self, size: int = -1) -> bytes:
        """At most so many bytes, all there are without a number; b"" at the content's end."""
        left = self._left
        if size < 0 or size >= left:
            data = self._source.piece(left, self._name)
        else:
            data = self._source.some(size, self._name) if size else b""
        self._left -= len(data)
        return data

    def finish(self) -> None:
        """Goes to where the next header starts; nothing can be read here afterwards."""
        left, self._left = self._left + self._padding, 0
        while left:
            left -= len(self._source.some(min(left, _CHUNK), self._name))


def _extend(header: Header, raw: bytes, shared: dict[bytes, bytes], local: dict[bytes, bytes]) -> None:
    """Takes up what says something of the entry to come (or, a global header, of all entries to come)."""
    if header.flag == b"L":
        local[b"path"] = raw.partition(b"\0")[0]
    elif header.flag == b"K":
        local[b"linkpath"] = raw.partition(b"\0")[0]
    elif header.flag == b"g":
        records = pax.decode(raw, header.name)
        if not records.keys().isdisjoint((b"path", b"linkpath", b"size")):
            raise ImageError("the tar has a global header that names all its entries alike")
        shared |= {key: records[key] for key in _GLOBAL_KEYS if key in records}
    else:
        local |= pax.decode(raw, header.name)


def _entry(header: Header, records: Mapping[bytes, bytes], offset: int) -> tuple[Entry | None, int]:
    """What header and records together say, checked, and the size of the content that follows; no entry for what AUFS
    left behind.
    """
    member, mode, uid, gid, size, mtime, flag, link, device = header
    xattrs = NO_XATTRS
    if records:
        member = names.decode(records[b"path"]) if records.get(b"path") else member
        link = names.decode(records[b"linkpath"]) if records.get(b"linkpath") else link
        uid, gid = _decimal(records, b"uid", uid, member), _decimal(records, b"gid", gid, member)
        size, mtime = _decimal(records, b"size", size, member), _decimal(records, b"mtime", mtime, member)
        xattrs = _xattrs(records, member)
    path = names.clean(member)
    kind = _kind(flag, member, records)
    if kind is not Kind.FILE:
        size, offset = 0, -1  # links may say how large their file is; nothing follows all the same
    _check_numbers(member, uid, gid, size, mtime)
    if names.WHITEOUT_PREFIX in path:
        if names.is_of_aufs(path):
            return None, size
        if deleted := names.deletion(path):
            return Entry(deleted[1], deleted[0]), size
    if kind is Kind.CHARACTER and device == (0, 0) and path:
        return Entry(path, Kind.WHITEOUT), 0  # overlay's own form of it, and what overlay makes of it
    if kind is Kind.FILE and member.endswith("/"):
        if size:
            raise ImageError(f"{member!r} has the name of a directory, and {size} bytes of content")
        kind, offset = Kind.DIRECTORY, -1
    if not path and (kind is not Kind.DIRECTORY or not member):
        raise ImageError(f"{member!r} stands for the root, and is no directory")
    link = _link(kind, link, member) if kind in _LINKS else ""
    return Entry(path, kind, mode, uid, gid, size, mtime, link, device, xattrs, "", offset), size


def _kind(flag: bytes, member: str, records: Mapping[bytes, bytes]) -> Kind:
    kind = _KINDS.get(flag)
    if flag == b"S" or (records and any(key.startswith(b"GNU.sparse.") for key in records)):
        raise ImageError(f"{member!r} is a sparse file, which layers must not have", hint="write the tar without -S")
    if kind is None:
        raise ImageError(f"{member!r} is of the type {flag!r}, which layers must not have")
    return kind


def _check_numbers(member: str, uid: int, gid: int, size: int, mtime: int) -> None:
    if not (0 <= uid <= _LARGEST_ID and 0 <= gid <= _LARGEST_ID):
        raise ImageError(f"{member!r} belongs to {uid}:{gid}, which is nobody's number")
    if not 0 <= size <= LARGEST_FILE:
        raise ImageError(f"{member!r} claims a size of {size} bytes")
    if abs(mtime) > _FARTHEST_TIME:
        raise ImageError(f"{member!r} has {mtime} for its mtime")


def _link(kind: Kind, link: str, member: str) -> str:
    """Where a link leads: a hard link's path clean, a symlink's target verbatim."""
    if kind is Kind.HARDLINK:
        try:
            target = names.clean(link)
        except ImageError as error:
            raise ImageError(f"{member!r} is a hard link, and {error.message}") from error
        if not target or names.has_reserved_name(target):
            raise ImageError(f"{member!r} is a hard link to {link!r}, which is no file")
        return target
    if not link or "\0" in link or len(names.encode(link)) > names.LONGEST_PATH:
        raise ImageError(f"{member!r} is a symbolic link to {link[:60]!r}, which is no path")
    return link


def _decimal(records: Mapping[bytes, bytes], key: bytes, otherwise: int, member: str) -> int:
    """A record's number, rounded down to a whole one; the header's where there is no record."""
    if not (raw := records.get(key)):
        return otherwise
    whole, point, fraction = raw.removeprefix(b"-").partition(b".")
    if not whole.isdigit() or (point and not fraction.isdigit()) or (point and key != b"mtime") or len(raw) > 40:
        raise ImageError(f"{member!r} has {raw[:40]!r} for its {key.decode()}")
    return -int(whole) - (fraction.strip(b"0") != b"") if raw[0] == 0x2D else int(whole)


def _xattrs(records: Mapping[bytes, bytes], member: str) -> Mapping[str, bytes]:
    """The extended attributes, without overlay's own."""
    start = len(pax.XATTR)
    xattrs = {
        names.decode(key[start:]): value
        for key, value in records.items()
        if key.startswith(pax.XATTR) and not key[start:].startswith(_OVERLAY_XATTRS)
    }
    for name, value in xattrs.items():
        if not name or "\0" in name or len(value) > _LARGEST_XATTR:
            raise ImageError(f"{member!r} has the extended attribute {name[:60]!r}, which no system takes")
    return xattrs or NO_XATTRS
