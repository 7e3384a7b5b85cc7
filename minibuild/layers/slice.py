"""A file's content where it lies in an uncompressed tar."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

from minibuild.errors import IntegrityError
from minibuild.layers.entry import Entry


def content_of(tar: BinaryIO, file: Entry) -> BinaryIO:
    """The content of a file whose offset is known, out of a seekable tar; seekable too. Closing it closes the tar."""
    return cast(BinaryIO, io.BufferedReader(_Slice(tar, file)))


class _Slice(io.RawIOBase):
    def __init__(self, tar: BinaryIO, file: Entry) -> None:
        self._tar, self._path, self._left = tar, file.path, file.size
        self._start, self._size = file.offset, file.size
        tar.seek(file.offset)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._size - self._left, io.SEEK_END: self._size}[whence]
        place = min(max(base + offset, 0), self._size)
        self._left = self._size - place
        self._tar.seek(self._start + place)
        return place

    def readinto(self, buffer: Any) -> int:
        data = self._tar.read(min(len(buffer), self._left))
        if not data and self._left and len(buffer):
            raise IntegrityError(f"the layer's tar ends in the middle of {self._path!r}")
        self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._tar.close()
        super().close()
