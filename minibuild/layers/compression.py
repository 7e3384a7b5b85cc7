"""Compressed streams → what is in them, and what an archive is: told by content, never by name."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Protocol, cast

from minibuild.errors import IntegrityError
from minibuild.layers import tar

LARGEST_CONTENT = 64 << 30
"""Bytes that a compressed stream may hold, unless its reader says otherwise."""
MOST_EXPANSION = 1000
"""Times its size that a compressed stream may grow to …"""
FREE_EXPANSION = 100 << 20
"""… once it holds more bytes than these."""

_CHUNK = 1 << 18
_XZ_MEMORY = 256 << 20


class _Decompressor(Protocol):
    """What the standard library's decompressors have in common; one does a single member or frame."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


def _gzip() -> _Decompressor:
    from isal import igzip_lib

    return cast(_Decompressor, igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP))


def _zstd() -> _Decompressor:
    # Both refuse windows over 128 MiB, so memory is bounded.
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from backports import zstd
    return cast(_Decompressor, zstd.ZstdDecompressor())


def _bzip2() -> _Decompressor:
    import bz2

    return bz2.BZ2Decompressor()


def _xz() -> _Decompressor:
    import lzma

    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


_MAGIC: Mapping[bytes, tuple[str, Callable[[], _Decompressor]]] = {
    b"\x1f\x8b\x08": ("gzip", _gzip),
    b"\x28\xb5\x2f\xfd": ("zstd", _zstd),
    b"BZh": ("bzip2", _bzip2),
    b"\xfd7zXZ\0": ("xz", _xz),
}
_LONGEST_MAGIC = max(map(len, _MAGIC))


def decompressed(stream: BinaryIO, *, limit: int = LARGEST_CONTENT) -> BinaryIO:
    """What a stream holds, whatever it is compressed with: gzip, zstd, bzip2 or xz, of one member or many; a stream
    that isn't compressed comes as it is.

    Reading raises IntegrityError where the stream is damaged, ends too early, or grows out of all proportion. Closing
    it closes the stream.
    """
    return cast(BinaryIO, io.BufferedReader(_opened(stream, limit, stream.close), _CHUNK))


def is_archive(content: BinaryIO) -> bool:
    """The content, from its start, is a tar, compressed or not: its first header is one. An empty archive is none: it
    can't be told from a file of zeros.

    Reads as much of it as it needs to know, and closes nothing.
    """
    try:
        return tar.is_header(io.BufferedReader(_opened(content, LARGEST_CONTENT, _leave_open)).read(tar.BLOCK))
    except IntegrityError:
        return False


def is_compressed(head: bytes) -> bool:
    """A stream that begins so is one of those that ``decompressed`` takes apart."""
    return head.startswith(tuple(_MAGIC))


class _Resumed(io.RawIOBase):
    """A stream of which the head was read already."""

    def __init__(self, stream: BinaryIO, head: bytes, close: Callable[[], None]) -> None:
        self._stream, self._head, self._close = stream, head, close

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._head or self._stream.read(len(buffer))
        piece, self._head = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            self._close()
        super().close()


class _Decompressed(_Resumed):
    """A compressed stream, member after member."""

    def __init__(self, source: _Resumed, name: str, make: Callable[[], _Decompressor], limit: int) -> None:
        super().__init__(cast(BinaryIO, source), b"", source.close)
        self._name, self._make, self._limit = name, make, limit
        self._member = make()
        self._input = b""
        self._consumed = self._produced = 0

    def readinto(self, buffer: Any) -> int:
        while len(buffer):
            if self._member.eof and not self._begin_next_member():
                return 0
            if self._member.needs_input and not self._input and not self._fill():
                raise IntegrityError(f"the {self._name} stream ends too early, after {self._consumed} bytes")
            data = self._decompress(len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
        return 0

    def _fill(self) -> bool:
        """Reads more of the stream; False at its end."""
        self._input = self._stream.read(_CHUNK)
        self._consumed += len(self._input)
        return bool(self._input)

    def _begin_next_member(self) -> bool:
        """Goes on to the next member; zeros between members, and at the end, are padding. False where there is none."""
        self._input = self._member.unused_data.lstrip(b"\0")
        while not self._input:
            if not self._fill():
                return False
            self._input = self._input.lstrip(b"\0")
        self._member = self._make()
        return True

    def _decompress(self, size: int) -> bytes:
        data, self._input = self._input, b""
        try:
            data = self._member.decompress(data, size)
        except Exception as error:  # each of the four has errors of its own
            raise IntegrityError(f"the {self._name} stream is damaged ({error})") from error
        self._produced += len(data)
        if self._produced > self._limit:
            raise IntegrityError(f"the {self._name} stream holds more than {self._limit} bytes")
        if self._produced > max(FREE_EXPANSION, MOST_EXPANSION * self._consumed):
            raise IntegrityError(
                f"the {self._name} stream grows to more than {MOST_EXPANSION} times its size: "
                f"{self._produced} bytes came out of {self._consumed}"
            )
        return data


def _opened(stream: BinaryIO, limit: int, close: Callable[[], None]) -> _Resumed:
    """What a stream holds, unbuffered; ``close`` is called when it is closed or forgotten."""
    head = b""
    while len(head) < _LONGEST_MAGIC and (more := stream.read(_LONGEST_MAGIC - len(head))):
        head += more
    resumed = _Resumed(stream, head, close)
    for magic, (name, make) in _MAGIC.items():
        if head.startswith(magic):
            return _Decompressed(resumed, name, make, limit)
    return resumed


def _leave_open() -> None:
    """Closes nothing."""
