"""A section of an ELF program by its name.

Source: elf(5).
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from minibuild.errors import ImageError

_IDENT = 16
_LARGEST_PIECE = 8 << 20


def section(program: BinaryIO, name: bytes, limit: int) -> bytes | None:
    """The bytes of a section, which has at most so many; None where the file is no ELF program or has no such section.

    Raises ImageError for a program that contradicts itself.
    """
    ident = program.read(_IDENT)
    if not ident.startswith(b"\x7fELF") or len(ident) < _IDENT:
        return None
    order, word = "<" if ident[5] == 1 else ">", "Q" if ident[4] == 2 else "I"
    head = struct.Struct(f"{order}HHI{3 * word}I6H")
    row = struct.Struct(f"{order}II{4 * word}II{2 * word}")
    fields = head.unpack(_exactly(program, _IDENT, head.size))
    offset, size, count, names = fields[5], *fields[10:]
    if not offset or not count:
        return None
    if size != row.size or names >= count:
        raise ImageError("it is a program whose table of sections is damaged")
    rows = list(row.iter_unpack(_exactly(program, offset, count * size)))
    texts = _exactly(program, *rows[names][4:6])
    for name_at, _, _, _, start, length, *_ in rows:
        if texts[name_at : name_at + len(name) + 1] == name + b"\0":
            if length > limit:
                raise ImageError(f"it has a section of {length} bytes, more than the {limit} that are read")
            return _exactly(program, start, length)
    return None


def _exactly(program: BinaryIO, offset: int, size: int) -> bytes:
    if size > _LARGEST_PIECE:
        raise ImageError("it is a program whose table of sections is damaged")
    program.seek(offset)
    piece = program.read(size)
    if len(piece) < size:
        raise ImageError("it is a program that ends too early")
    return piece
