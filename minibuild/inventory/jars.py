"""Java's libraries: what Maven writes into every archive that it makes.

A zip's table may name millions of files, and is a stranger's: it is read entry by entry, and kept nowhere.
Source: PKWARE's APPNOTE.TXT 4.3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from minibuild.errors import ImageError
from minibuild.inventory.evidence import Evidence
from minibuild.inventory.package import Package
from minibuild.layers.entry import Entry

_SUFFIXES = (".jar", ".war", ".ear")
_LARGEST = (1 << 32) - 1
_LARGEST_PROPERTIES = 1 << 16
_MOST_PROPERTIES = 10_000
_LONGEST_END = (1 << 16) + 22
_STORED, _DEFLATED = 0, 8

_END = struct.Struct("<4s4HIIH")
_ROW = struct.Struct("<4s6H3I5HII")
_LOCAL = struct.Struct("<4s5H3IHH")


def tells(entry: Entry) -> bool:
    """It is a Java archive."""
    return entry.path.endswith(_SUFFIXES)


def read(evidence: Evidence) -> Iterator[Package]:
    """Each pom.properties; archives in archives aren't opened."""
    with evidence.open(_LARGEST) as archive:
        for offset, method, size in list(_properties_in(archive, evidence.entry.size)):
            text = _content(archive, offset, method, size).decode("utf-8", "replace")
            fields = dict(line.strip().partition("=")[::2] for line in text.split("\n"))
            group, name, version = (fields.get(key, "") for key in ("groupId", "artifactId", "version"))
            if name and version:
                yield Package("maven", name, version, group)


def _properties_in(archive: BinaryIO, length: int) -> Iterator[tuple[int, int, int]]:
    """Where they begin, how they are compressed, and to how many bytes."""
    archive.seek(max(length - _LONGEST_END, 0))
    tail = archive.read(_LONGEST_END)
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) - place < _END.size:
        raise ImageError("it is no zip archive")
    _, _, _, _, count, size, offset, _ = _END.unpack_from(tail, place)
    # What stands before the archive, such as a script that starts it, is counted by nobody.
    before = max(length - len(tail) + place - size - offset, 0)
    archive.seek(before + offset)
    found = 0
    for _ in range(count):
        row = _ROW.unpack(archive.read(_ROW.size))
        if row[0] != b"PK\1\2":
            raise ImageError("it is a zip archive with a damaged table")
        name = archive.read(row[10])
        archive.seek(row[11] + row[12], 1)
        if name.endswith(b"/pom.properties") and (found := found + 1) <= _MOST_PROPERTIES:
            yield before + row[16], row[4], row[8]


def _content(archive: BinaryIO, offset: int, method: int, size: int) -> bytes:
    archive.seek(offset)
    local = _LOCAL.unpack(archive.read(_LOCAL.size))
    archive.seek(local[9] + local[10], 1)
    raw = archive.read(min(size, _LARGEST_PROPERTIES))
    if method == _DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(raw, _LARGEST_PROPERTIES)
    if method != _STORED:
        raise ImageError(f"it is a zip archive with a compression that isn't read ({method})")
    return raw
