"""A tape writes what it is given, in order, and doesn't swallow what goes wrong beside it."""

from __future__ import annotations

from io import BytesIO, RawIOBase

import pytest

from minibuild.layers.tape import Tape
from minibuild.oci import Digest

PIECES = [bytes([number % 251]) * (number * 1000) for number in range(100)]


class Full(RawIOBase):
    """A sink that has no room left."""

    def write(self, _data: object, /) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("pieces", [[], [b"small"], PIECES, [bytes(3 << 20), b"end"]], ids=len)
def test_all_is_written_in_order_and_digested(pieces: list[bytes]) -> None:
    sink = BytesIO()
    with Tape(sink) as tape:
        for piece in pieces:
            tape.write(piece)
    whole = b"".join(pieces)
    assert (sink.getvalue(), tape.size, tape.digest) == (whole, len(whole), Digest.of(whole))


@pytest.mark.parametrize("size", [1, 1 << 20, 20 << 20])
def test_a_full_disk_is_told_at_the_latest_at_the_end(size: int) -> None:
    with pytest.raises(OSError, match="No space left"), Tape(Full()) as tape:  # type: ignore[arg-type]
        for _ in range(size >> 20 or 1):
            tape.write(bytes(min(size, 1 << 20)))


def test_what_went_wrong_inside_is_not_hidden_by_the_disk() -> None:
    with pytest.raises(KeyError), Tape(Full()) as tape:  # type: ignore[arg-type]
        tape.write(bytes(1 << 20))
        raise KeyError
