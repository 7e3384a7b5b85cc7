"""The values in a BerkeleyDB hash, which rpm's database was before 4.16: in RHEL and CentOS 7 and 8, Amazon Linux 2.

A file is pages of one size; numbers are in the order of the machine that wrote them.
Source: BerkeleyDB 5.3, dbinc/db_page.h.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from minibuild.errors import ImageError
from minibuild.values import dataclass

_MAGIC = 0x061561
_MAGIC_AT = 12
_PAGE_SIZES = range(512, 65537)
_HASH_PAGES = (2, 13)
"""Unsorted, as older versions wrote them, and sorted."""
_OVERFLOW_PAGE = 7
_INLINE, _ELSEWHERE = 1, 3
_HEADER = 26


@dataclass(frozen=True)
class _Pages:
    """A database's pages; ``order`` is what ``struct`` calls the order of its bytes."""

    file: BinaryIO
    order: str
    size: int
    count: int

    def read(self, number: int) -> bytes:
        """A page; raises ImageError where there is none."""
        if not 0 < number < self.count:
            raise ImageError(f"it has no page {number}, which it names")
        self.file.seek(number * self.size)
        return self.file.read(self.size)

    def unpack(self, form: str, page: bytes, place: int) -> tuple[int, ...]:
        """Numbers out of a page."""
        return struct.unpack_from(self.order + form, page, place)


def values(file: BinaryIO, length: int) -> Iterator[bytes]:
    """All values of a database of so many bytes, in the order of its pages; raises ImageError where it is none."""
    pages = _opened(file, length)
    left = pages.count
    for number in range(1, pages.count):
        page = pages.read(number)
        if page[25] not in _HASH_PAGES:
            continue
        for start, end in _places_of_values(pages, page):
            if page[start] == _INLINE:
                yield page[start + 1 : end]
            elif page[start] == _ELSEWHERE:
                first, size = pages.unpack("II", page, start + 4)
                left -= -(-size // pages.size)
                if left < 0:
                    raise ImageError("it has values that overlap")
                yield _overflowing(pages, first, size)


def _opened(file: BinaryIO, length: int) -> _Pages:
    head = file.read(512)
    for order in "<>":
        if len(head) == 512 and struct.unpack_from(f"{order}I", head, _MAGIC_AT) == (_MAGIC,):
            (size,) = struct.unpack_from(f"{order}I", head, 20)
            if size in _PAGE_SIZES:
                return _Pages(file, order, size, length // size)
    raise ImageError("it is no hash of BerkeleyDB")


def _places_of_values(pages: _Pages, page: bytes) -> Iterator[tuple[int, int]]:
    """Where the values of a page begin and end: keys and values take turns, from the page's end downwards."""
    (count,) = pages.unpack("H", page, 20)
    starts = pages.unpack(f"{count}H", page, _HEADER)
    if any(low >= high for low, high in zip(starts, (pages.size, *starts), strict=False)):
        raise ImageError("it has values that overlap")
    for number in range(1, count, 2):
        yield starts[number], starts[number - 1]


def _overflowing(pages: _Pages, number: int, size: int) -> bytes:
    """A value that has pages of its own, each of which names the next."""
    pieces, left = [], size
    while left > 0:
        page = pages.read(number)
        (number, _, used) = pages.unpack("IHH", page, 16)
        if page[25] != _OVERFLOW_PAGE or not 0 < used <= pages.size - _HEADER:
            raise ImageError("it has a value that goes on where there is none")
        pieces.append(page[_HEADER : _HEADER + used])
        left -= used
    return b"".join(pieces)[:size]
