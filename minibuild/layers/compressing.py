"""A tar → a compressed blob: the same bytes for the same tar, on every machine and with any number of threads.

gzip is done by zlib-ng in blocks of 1 MiB, each a raw deflate stream of its own that ends on a byte (Z_SYNC_FLUSH) and
knows the 32 KiB before it as its dictionary: blocks can be made side by side and put together in their order. Its
output depends on how it is fed, which is why the blocks are exact. zstd is done by libzstd with at least one worker,
since none makes other bytes than one.
"""

from __future__ import annotations

import os
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, Self

from minibuild.errors import UsageError, did_you_mean
from minibuild.oci import MediaType
from minibuild.values import dataclass

_BLOCK = 1 << 20
_WINDOW = 32 << 10
# RFC 1952: no name, no time, no flags; made on an unknown system.
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


@dataclass(frozen=True, slots=True)
class Compression:
    """How layers are to be compressed: ``gzip``, ``zstd`` or ``uncompressed``, at a level of that form (None: ours)."""

    form: str = "gzip"
    level: int | None = None

    @classmethod
    def parse(cls, option: str, form: str, level: str = "") -> Self:
        """What an option's words say, "" for a level of our choice; raises UsageError."""
        if form not in FORMS:
            hint = did_you_mean(form, list(FORMS)) or f"choose from {', '.join(FORMS)}"
            raise UsageError(f"{option} has {form!r} for a compression", hint=hint)
        levels = FORMS[form].levels
        if level and (not level.isdecimal() or int(level) not in levels):
            raise UsageError(f"{option} has {level!r} for a level, {form} has {levels[0]} to {levels[-1]}")
        return cls(form, int(level) if level else None)

    @property
    def media_type(self) -> str:
        """What a layer so compressed is called."""
        return FORMS[self.form].media_type

    def __str__(self) -> str:
        return self.form if self.level is None else f"{self.form}-{self.level}"


@dataclass(frozen=True, slots=True)
class Form:
    """A form of compression: its layers' media type, the levels that it has, and ours."""

    media_type: str
    levels: range
    usual: int
    compress: Callable[[BinaryIO, int], Iterator[bytes]]


def compressed(tar: BinaryIO, compression: Compression) -> Iterator[bytes]:
    """The compressed bytes of a stream, piece by piece."""
    form = FORMS[compression.form]
    return form.compress(tar, form.usual if compression.level is None else compression.level)


def _plain(tar: BinaryIO, _level: int) -> Iterator[bytes]:
    while block := tar.read(_BLOCK):
        yield block


def _gzip(tar: BinaryIO, level: int) -> Iterator[bytes]:
    from zlib_ng import zlib_ng

    size = checksum = 0
    yield _GZIP_HEAD
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(processors, thread_name_prefix="gzip") as pool:
        ahead: deque[Future[bytes]] = deque()
        before = b""
        for block in _exact_blocks(tar):
            size += len(block)
            checksum = zlib_ng.crc32(block, checksum)
            ahead.append(pool.submit(_deflated, block, before, level))
            before = block[-_WINDOW:]
            if len(ahead) > 2 * processors:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    # An empty last block of fixed codes, then what RFC 1952 wants at the end.
    yield b"\x03\0" + struct.pack("<II", checksum, size & 0xFFFFFFFF)


def _deflated(block: bytes, before: bytes, level: int) -> bytes:
    from zlib_ng import zlib_ng

    deflate = zlib_ng.compressobj(level, zlib_ng.DEFLATED, -zlib_ng.MAX_WBITS, zdict=before)
    return bytes(deflate.compress(block)) + bytes(deflate.flush(zlib_ng.Z_SYNC_FLUSH))


def _exact_blocks(tar: BinaryIO) -> Iterator[bytes]:
    while block := tar.read(_BLOCK):
        while len(block) < _BLOCK and (more := tar.read(_BLOCK - len(block))):
            block += more
        yield block


def _zstd(tar: BinaryIO, level: int) -> Iterator[bytes]:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from backports import zstd

    parameters = zstd.CompressionParameter
    options = {parameters.compression_level: level, parameters.nb_workers: 1, parameters.checksum_flag: 1}
    frame = zstd.ZstdCompressor(options=options)
    while block := tar.read(_BLOCK):
        if piece := frame.compress(block):
            yield piece
    yield frame.flush()


FORMS: Mapping[str, Form] = {
    "gzip": Form(MediaType.LAYER_GZIP, range(10), 3, _gzip),
    "zstd": Form(MediaType.LAYER_ZSTD, range(1, 23), 3, _zstd),
    "uncompressed": Form(MediaType.LAYER, range(1), 0, _plain),
}
"""By the words of ``compression=``."""
