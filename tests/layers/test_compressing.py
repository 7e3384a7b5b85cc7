"""Compression: the same bytes for the same tar, readable by everybody."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from minibuild.layers.compressing import FORMS, Compression, compressed
from minibuild.layers.compression import decompressed

WORDS = [b"alpha ", b"beta ", b"gamma ", b"delta\n"]
TEXT = b"".join(random.Random(7).choices(WORDS, k=700_000))


class Trickle(io.RawIOBase):
    """A stream that gives what it likes at a time."""

    def __init__(self, content: bytes, step: int) -> None:
        self._stream, self._step = io.BytesIO(content), step

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(min(size, self._step))


def whole(content: bytes, compression: Compression) -> bytes:
    return b"".join(compressed(io.BytesIO(content), compression))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("content", [b"", b"x", TEXT], ids=["nothing", "a byte", "some blocks"])
def test_what_is_compressed_comes_out_again(form: str, content: bytes) -> None:
    with decompressed(io.BytesIO(whole(content, Compression(form)))) as stream:
        assert stream.read() == content


@pytest.mark.parametrize("form", FORMS)
def test_the_bytes_do_not_depend_on_how_the_tar_comes(form: str) -> None:
    trickled = b"".join(compressed(Trickle(TEXT, 99_991), Compression(form)))  # type: ignore[arg-type]
    assert trickled == whole(TEXT, Compression(form))


def test_the_bytes_do_not_depend_on_what_else_is_done() -> None:
    with ThreadPoolExecutor(6) as pool:
        made = set(pool.map(lambda _: whole(TEXT, Compression()), range(6)))
    assert len(made) == 1


def test_gzip_is_read_by_others() -> None:
    made = whole(TEXT, Compression())
    assert gzip.decompress(made) == TEXT
    assert subprocess.run(["gzip", "-dc"], input=made, capture_output=True, check=True).stdout == TEXT


def test_gzip_of_blocks_is_hardly_larger_than_gzip_of_one_piece() -> None:
    from deflate import gzip_compress

    assert len(whole(TEXT, Compression("gzip", 1))) < 1.01 * len(gzip_compress(TEXT, 1))


def test_a_higher_level_takes_less_room() -> None:
    assert len(whole(TEXT, Compression("gzip", 9))) < len(whole(TEXT, Compression("gzip", 1)))
