"""PAX records: ``<length> <key>=<value>\\n``, for all that a tar header has no room for.

Source: POSIX.1-2017, pax §Extended Header; ``SCHILY.xattr.`` is star's, and what every container tool writes.
"""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.errors import ImageError

XATTR = b"SCHILY.xattr."

# A record's length has seven digits at most below this, so no search for the blank goes far.
LARGEST = 1 << 20
"""Bytes of records that one entry may have."""


def encode(records: Mapping[bytes, bytes]) -> bytes:
    """The records in the order of their keys; first of all, if any value needs it, that they are no UTF-8."""
    ordered = sorted(records.items())
    names = (value for key, value in ordered if not key.startswith(XATTR))
    if not all(map(_is_utf8, names)):
        ordered.insert(0, (b"hdrcharset", b"BINARY"))
    return b"".join(_record(key, value) for key, value in ordered)


def decode(raw: bytes, owner: str) -> dict[bytes, bytes]:
    """The records by their keys, the last of equals; raises ImageError, naming their owner, where they are damaged."""
    records: dict[bytes, bytes] = {}
    position = 0
    while position < len(raw):
        blank = raw.find(b" ", position, position + 8)
        digits = raw[position : max(blank, position)]
        end = position + int(digits) if digits.isdigit() else 0
        equals = raw.find(b"=", blank + 1, end)
        if not blank < equals < end <= len(raw) or equals == blank + 1 or raw[end - 1] != 0x0A:
            raise ImageError(f"{owner!r} has damaged PAX records")
        records[raw[blank + 1 : equals]] = raw[equals + 1 : end - 1]
        position = end
    return records


def _record(key: bytes, value: bytes) -> bytes:
    """One record; its length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
