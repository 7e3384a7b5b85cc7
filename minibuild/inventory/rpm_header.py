"""The header of an installed package: what rpm knows of it, as its database has it.

Source: https://rpm-software-management.github.io/rpm/manual/format_header.html; without the magic that headers in
files begin with. All numbers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from minibuild.errors import ImageError

_TAGS: Mapping[int, str] = {
    1000: "name",
    1001: "version",
    1002: "release",
    1003: "epoch",
    1014: "licence",
    1022: "arch",
    1044: "source",
}
_INT32, _STRING, _I18N_STRING = 4, 6, 9
_LEAD = struct.Struct(">II")
_ENTRY = struct.Struct(">IIiI")
_LONGEST = 4096


def fields_of(header: bytes) -> Mapping[str, str]:
    """The fields that are of interest, as texts; raises ImageError where the header isn't one."""
    if len(header) < _LEAD.size:
        raise ImageError("it has a header that ends too early")
    count, size = _LEAD.unpack_from(header)
    start = _LEAD.size + count * _ENTRY.size
    if start + size > len(header):
        raise ImageError("it has a header that ends too early")
    data = header[start : start + size]
    fields = {}
    for tag, kind, offset, _items in _ENTRY.iter_unpack(header[_LEAD.size : start]):
        if tag in _TAGS:
            fields[_TAGS[tag]] = _value(data, kind, offset)
    return fields


def _value(data: bytes, kind: int, offset: int) -> str:
    """The first value at an offset."""
    if not 0 <= offset < len(data):
        raise ImageError("it has a header whose fields lie outside of it")
    if kind == _INT32:
        return str(int.from_bytes(data[offset : offset + 4], "big"))
    if kind in (_STRING, _I18N_STRING):
        return data[offset : offset + _LONGEST].partition(b"\0")[0].decode("utf-8", "replace")
    raise ImageError(f"it has a header with a field of the kind {kind}")
