"""Compressed streams are told by their content, read to the end, and refused when they are damaged or bombs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable

import pytest

from minibuild.errors import IntegrityError
from minibuild.layers import tar
from minibuild.layers.compression import decompressed, is_archive
from minibuild.layers.entry import Entry, Kind

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Compress = Callable[[bytes], bytes]
COMPRESSIONS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}
EVERY_COMPRESSION = pytest.mark.parametrize("compress", COMPRESSIONS.values(), ids=COMPRESSIONS)
CONTENT = b"".join(b"line %d of a text\n" % (number * 7919) for number in range(40_000))
TAR = tar.encode(Entry("f", Kind.FILE, size=600)) + bytes(1024) + tar.END


class Trickle(io.RawIOBase):
    """A stream that gives seven bytes at a time."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, _size: int = -1) -> bytes:
        return self._content.read(7)


class Zeros(io.RawIOBase):
    """As many zeros, gzipped as well as gzip can: a bomb that is never held in memory."""

    def __init__(self, size: int) -> None:
        self._left, self._compressor = size, zlib.compressobj(9, zlib.DEFLATED, 31)

    def readable(self) -> bool:
        return True

    def read(self, _size: int = -1) -> bytes:
        data = b""
        while not data and self._left > 0:
            self._left -= 1 << 20
            data = self._compressor.compress(bytes(1 << 20)) + (b"" if self._left > 0 else self._compressor.flush())
        return data


@EVERY_COMPRESSION
def test_every_compression_is_recognised_by_content(compress: Compress) -> None:
    assert decompressed(io.BytesIO(compress(CONTENT))).read() == CONTENT


@pytest.mark.parametrize("content", [b"", b"B", b"\x1f\x8b", b"plain text", CONTENT])
def test_what_is_not_compressed_comes_as_it_is(content: bytes) -> None:
    assert decompressed(io.BytesIO(content)).read() == content


@EVERY_COMPRESSION
def test_members_one_after_the_other_are_read_as_one(compress: Compress) -> None:
    stream = compress(CONTENT) + compress(b"") + compress(b"the end")
    assert decompressed(io.BytesIO(stream)).read() == CONTENT + b"the end"


@EVERY_COMPRESSION
def test_a_stream_that_comes_in_drops_is_read(compress: Compress) -> None:
    stream = Trickle(compress(CONTENT[:9000]) + compress(b"the end"))
    assert decompressed(stream).read() == CONTENT[:9000] + b"the end"  # type: ignore[arg-type]


def test_zeros_after_a_gzip_stream_are_padding() -> None:
    assert decompressed(io.BytesIO(gzip.compress(b"x") + bytes(700))).read() == b"x"


def test_skippable_frames_of_zstd_are_skipped() -> None:
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
    assert decompressed(io.BytesIO(zstd.compress(b"x") + skippable)).read() == b"x"


@EVERY_COMPRESSION
def test_a_stream_that_was_cut_is_an_integrity_error(compress: Compress) -> None:
    with pytest.raises(IntegrityError, match="ends too early"):
        decompressed(io.BytesIO(compress(CONTENT)[:-5])).read()


@EVERY_COMPRESSION
def test_a_damaged_stream_is_an_integrity_error(compress: Compress) -> None:
    stream = bytearray(compress(CONTENT))
    stream[len(stream) // 2] ^= 0xFF
    stream[-6] ^= 0xFF  # in the checksum of gzip; zstd's has none by default
    with pytest.raises(IntegrityError, match="stream"):
        decompressed(io.BytesIO(stream)).read()


@EVERY_COMPRESSION
def test_rubbish_after_a_stream_is_an_integrity_error(compress: Compress) -> None:
    with pytest.raises(IntegrityError, match="is damaged"):
        decompressed(io.BytesIO(compress(CONTENT) + b"rubbish, and enough of it")).read()


def test_a_decompression_bomb_is_refused_before_it_goes_off() -> None:
    bomb = decompressed(Zeros(1 << 40))  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match="grows to more than 1000 times its size"):
        while bomb.read(1 << 20):
            pass


def test_more_content_than_the_limit_is_refused() -> None:
    with pytest.raises(IntegrityError, match="holds more than 1000 bytes"):
        decompressed(io.BytesIO(gzip.compress(CONTENT)), limit=1000).read()


def test_closing_what_is_decompressed_closes_the_stream() -> None:
    for content in (gzip.compress(b"x"), b"x"):
        stream = io.BytesIO(content)
        decompressed(stream).close()
        assert stream.closed


@pytest.mark.parametrize(
    "content",
    [TAR, TAR[:600], *(to(TAR) for to in COMPRESSIONS.values()), gzip.compress(TAR)[:-4]],
    ids=["tar", "tar that was cut", *COMPRESSIONS, "gzip that was cut"],
)
def test_archives_are_told_by_content(content: bytes) -> None:
    stream = io.BytesIO(content)
    assert is_archive(stream)
    assert not stream.closed


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        CONTENT,
        gzip.compress(CONTENT),
        bytes(512),
        bytes(1024),
        bytes(1 << 20),
        b"\x1f\x8b\x08rubbish",
        b"BZh" * 999,
    ],
    ids=[
        "nothing",
        "text",
        "long text",
        "gzip of a text",
        "a block",
        "an empty archive",
        "a MiB of zeros",
        "no gzip",
        "no bzip2",
    ],
)
def test_other_content_is_no_archive(content: bytes) -> None:
    assert not is_archive(io.BytesIO(content))
