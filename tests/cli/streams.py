"""Streams that tests write on: a fake terminal, and the screen that a person would see on it."""

from __future__ import annotations

import io
import re

_PIECE = re.compile(r"\x1b\[(?P<number>\d*)(?P<what>[AJm])|\x1b\[\?25(?P<cursor>[lh])|\x1b\[[0-9;]*m|[^\x1b]", re.S)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A stream whose reader has gone away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe", text[:0])


def screen(written: str, width: int = 80) -> tuple[list[str], bool]:
    """The rows that a terminal shows after what was written, and if its cursor is to be seen.

    Knows what our display uses: cursor up, erase below, hide and show, colours (not shown); rows wrap at the width.
    """
    rows, row, column, cursor = [""], 0, 0, True
    end = 0
    for piece in _PIECE.finditer(written):
        assert piece.start() == end, f"unknown sequence at {written[end : end + 10]!r}"
        end = piece.end()
        if piece["what"] == "A":
            row = max(0, row - int(piece["number"] or 1))
        elif piece["what"] == "J":
            rows = [*rows[:row], rows[row][:column]]
        elif piece["cursor"]:
            cursor = piece["cursor"] == "h"
        elif piece[0] == "\r":
            column = 0
        elif piece[0] == "\n" or (not piece[0].startswith("\x1b") and column == width):
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        if len(piece[0]) == 1 and piece[0] not in "\r\n":
            rows[row] = rows[row][:column].ljust(column) + piece[0] + rows[row][column + 1 :]
            column += 1
    assert end == len(written)
    return [text.rstrip() for text in rows], cursor


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        """Time goes on."""
        self.now += seconds
