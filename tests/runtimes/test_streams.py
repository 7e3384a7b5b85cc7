"""Bytes become lines, whatever the pieces they come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibuild.events import Stream
from minibuild.runtimes.streams import Lines


def lines_of(*pieces: bytes) -> list[str]:
    heard: list[str] = []

    def output(line: str, _stream: Stream) -> None:
        heard.append(line)

    lines = Lines("stdout", output)
    for piece in pieces:
        lines.feed(piece)
    lines.end()
    return heard


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((b"one\ntwo\n",), ["one", "two"]),
        ((b"on", b"e\ntw", b"o"), ["one", "two"]),
        ((b"\n\n",), ["", ""]),
        ((b"\xc3", b"\xa9\n"), ["é"]),
        ((b"\xff\n",), ["�"]),
        ((b"50%\r100%\r\n",), ["50%\r100%\r"]),
        ((), []),
    ],
)
def test_lines_are_what_stands_between_line_ends(pieces: tuple[bytes, ...], expected: list[str]) -> None:
    assert lines_of(*pieces) == expected


@given(st.text(st.characters(codec="utf-8", exclude_characters="\n")), st.integers(1, 7))
def test_the_pieces_make_no_difference(text: str, size: int) -> None:
    data = text.encode() + b"\nend"

    assert lines_of(*(data[at : at + size] for at in range(0, len(data), size))) == [text, "end"]


def test_a_line_without_end_takes_little_memory_and_loses_nothing() -> None:
    pieces = lines_of(*(["é€".encode() * 1000] * 100))

    assert "".join(pieces) == "é€" * 100_000
    assert max(len(piece.encode()) for piece in pieces) <= 1 << 16
