"""One tar header block ⇄ its fields; and an entry → all the header blocks it needs.

Writes ustar with PAX records where ustar has no room: the same bytes for the same entry, always. Reads ustar, PAX, GNU
and old V7 headers. Sources: POSIX.1-2017 pax §ustar Interchange Format; GNU tar manual §Tar Internals.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from zlib import adler32

from minibuild.errors import ImageError, IntegrityError
from minibuild.layers import names, pax
from minibuild.layers.entry import NO_DEVICE, Entry, Kind

BLOCK = 512

# name mode uid gid size mtime checksum type link magic version user group major minor prefix
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")
_FLAGS: Mapping[Kind, bytes] = {
    Kind.FILE: b"0",
    Kind.HARDLINK: b"1",
    Kind.SYMLINK: b"2",
    Kind.CHARACTER: b"3",
    Kind.BLOCK: b"4",
    Kind.DIRECTORY: b"5",
    Kind.FIFO: b"6",
    Kind.WHITEOUT: b"0",
    Kind.OPAQUE: b"0",
}
_LARGEST_7 = 0o7777777
_LARGEST_11 = 0o77777777777
# What follows the checksum of an entry without link and device; and what the checksum's own field counts as.
_TAILS: Mapping[Kind, bytes] = {
    kind: _HEADER.pack(*[b""] * 7, flag, b"", b"ustar", b"00", b"", b"", b"0000000", b"0000000", b"")[156:]
    for kind, flag in _FLAGS.items()
}
_BLANKS = 8 * 0x20


class Header(NamedTuple):
    """A header block's fields, numbers and names decoded, not yet checked."""

    name: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    flag: bytes
    link: str
    device: tuple[int, int]


def encode(entry: Entry) -> bytes:
    """The header blocks of an entry: PAX records first where it needs any, then the header; not its content."""
    path, kind, mode, uid, gid, size, mtime, link, device, xattrs, _, _ = entry
    name = names.encode(path if kind is Kind.FILE else names.member_name(entry))
    if kind is not Kind.FILE:
        size = 0
    if (
        len(name) > 100 or link or xattrs or device != NO_DEVICE or not name.isascii()
        or not (0 <= uid <= _LARGEST_7 and 0 <= gid <= _LARGEST_7 and 0 <= size <= _LARGEST_11)
        or not 0 <= mtime <= _LARGEST_11
    ):  # fmt: skip
        return _encode_any(entry, name, size)
    # What nearly all entries are, in a third of the time: there may be 50,000.
    head = name.ljust(100, b"\0") + _owner(mode, uid, gid) + b"%011o\0%011o\0" % (size, mtime)
    tail = _TAILS[kind]
    return b"%s%06o\0 %s" % (head, (adler32(tail, adler32(head)) & 0xFFFF) - 1 + _BLANKS, tail)


@lru_cache(maxsize=256)
def _owner(mode: int, uid: int, gid: int) -> bytes:
    return b"%07o\0%07o\0%07o\0" % (mode, uid, gid)


def _encode_any(entry: Entry, name: bytes, size: int) -> bytes:
    """As ``encode``, for an entry that may need PAX records or more fields."""
    link = names.encode(entry.link)
    records: dict[bytes, bytes] = {}
    if len(name) > 100 or not name.isascii():
        records[b"path"] = name
        name = _ascii(name)
    if len(link) > 100 or not link.isascii():
        records[b"linkpath"] = link
        link = _ascii(link)
    for xattr, value in entry.xattrs.items():
        if "=" in xattr:
            raise ImageError(f"{entry.path!r} has the extended attribute {xattr!r}, whose name no tar can hold")
        records[pax.XATTR + names.encode(xattr)] = value
    if max(entry.device) > _LARGEST_7:
        raise ImageError(f"{entry.path!r} is the device {entry.device}, whose numbers no tar can hold")
    block = _HEADER.pack(
        name,
        b"%07o\0" % entry.mode,
        _octal(entry.uid, 7, b"uid", records),
        _octal(entry.gid, 7, b"gid", records),
        _octal(size, 11, b"size", records),
        _octal(entry.mtime, 11, b"mtime", records),
        b"        ",
        _FLAGS[entry.kind],
        link,
        b"ustar",
        b"00",
        b"",
        b"",
        b"%07o\0" % entry.device[0],
        b"%07o\0" % entry.device[1],
        b"",
    )
    return _with_checksum(block) if not records else _pax_blocks(records) + _with_checksum(block)


def padding(size: int) -> bytes:
    """The zeros after content of that size, up to a whole block."""
    return bytes(-size % BLOCK)


def is_header(block: bytes) -> bool:
    """The block is the header of a tar's member: its checksum is right."""
    if len(block) < BLOCK:
        return False
    try:
        parse(block[:BLOCK])
    except ImageError:
        return False
    return True


def parse(block: bytes) -> Header:
    """A header's fields; raises IntegrityError where its checksum is wrong, ImageError where numbers aren't numbers."""
    (raw_name, mode, uid, gid, size, mtime, checksum, flag, link, magic, _, _, _, major, minor, prefix) = (
        _HEADER.unpack(block)
    )
    name = names.decode(raw_name.partition(b"\0")[0])
    if not _has_checksum(block, checksum):
        raise IntegrityError(f"the tar's header of {name[:100]!r} has a wrong checksum")
    if magic == b"ustar\0" and prefix[0]:
        name = f"{names.decode(prefix.partition(bytes(1))[0])}/{name}"
    try:
        numbers = (_number(mode) & 0o7777, _number(uid), _number(gid), _number(size), _number(mtime))
        device = (_number(major), _number(minor)) if flag in b"34" else (0, 0)
    except ValueError as error:
        raise ImageError(f"the tar's header of {name!r} has {error} where an octal number belongs") from None
    return Header(name, *numbers, flag, names.decode(link.partition(b"\0")[0]) if link[0] else "", device)


def _has_checksum(block: bytes, field: bytes) -> bool:
    """The sum of all bytes, the checksum's own taken as blanks, is what the field says.

    Adler-32's lower half is that very sum (+1, modulo 65521), thirty times faster than ``sum``.
    """
    digits = field.strip(b" \0")
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        return False
    stored = int(digits, 8)
    blanks = 8 * 0x20 - sum(field)
    if ((adler32(block) & 0xFFFF) - 1 + blanks - stored) % 65521 == 0:
        return True
    # Some old tars added signed bytes.
    return stored == sum(byte - 256 if byte > 127 else byte for byte in block) + blanks


@lru_cache(maxsize=4096)  # a layer's headers have few different numbers
def _number(field: bytes) -> int:
    """Octal digits, or GNU's big-endian two's complement where the first bit is set; nothing at all is 0."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=True)
        return value if field[0] == 0xFF else value + (1 << (8 * len(field) - 1))
    digits = field.strip(b"\0 ").partition(b"\0")[0].rstrip() or b"0"
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise ValueError(repr(field))
    return int(digits, 8)


def _octal(value: int, digits: int, key: bytes, records: dict[bytes, bytes]) -> bytes:
    """A number's field; one that doesn't fit goes into the records instead."""
    if 0 <= value <= (_LARGEST_7 if digits == 7 else _LARGEST_11):
        return b"%0*o\0" % (digits, value)
    records[key] = b"%d" % value
    return b"0" * digits + b"\0"


def _ascii(name: bytes) -> bytes:
    """What stands in the header of a name that it can't hold, for readers that don't know PAX."""
    return name.decode("ascii", "replace").replace("\ufffd", "?").encode()[:100].rstrip(b"/")


def _pax_blocks(records: Mapping[bytes, bytes]) -> bytes:
    """The header and the blocks of PAX records."""
    raw = pax.encode(records)
    if len(raw) > pax.LARGEST:
        raise ImageError(f"{names.decode(records.get(b'path', b'an entry'))!r} has extended attributes of over a MiB")
    number = b"0000000\0"
    block = _HEADER.pack(
        b"././@PaxHeader", b"0000000\0", number, number, b"%011o\0" % len(raw), b"00000000000\0", b"        ",
        b"x", b"", b"ustar", b"00", b"", b"", number, number, b"",
    )  # fmt: skip
    return _with_checksum(block) + raw + padding(len(raw))


def _with_checksum(block: bytes) -> bytes:
    """The block with its checksum. It is all ASCII, so the sum is below Adler-32's modulus."""
    return b"%s%06o\0 %s" % (block[:148], (adler32(block) & 0xFFFF) - 1, block[156:])
