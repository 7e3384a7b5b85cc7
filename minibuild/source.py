"""A text with a name, and ranges in it: what every error points with."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from itertools import accumulate

from minibuild.values import dataclass, field

EXCERPT_WIDTH = 160


@dataclass(frozen=True)
class Source:
    """A text as it was read (line ends included) and the name people know it by, such as ``Dockerfile``."""

    name: str
    text: str

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """Offsets at which lines start; the first is 0."""
        return tuple(accumulate((len(line) + 1 for line in self.text.split("\n")[:-1]), initial=0))

    def position(self, offset: int) -> tuple[int, int]:
        """The (line, column) of an offset, both counted from 1."""
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line (counted from 1), without its end."""
        starts = self.line_starts
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def span(self, start: int, end: int) -> Span:
        """The range from one offset up to, not including, another."""
        return Span(self, start, end)


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a source: offsets in characters, the end not included."""

    source: Source = field(repr=False)
    start: int
    end: int

    @property
    def line(self) -> int:
        """The line it starts in, counted from 1."""
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        """The column it starts at, counted from 1."""
        return self.source.position(self.start)[1]

    @property
    def last_line(self) -> int:
        """The line its last character stands in, counted from 1."""
        return self.source.position(max(self.start, self.end - 1))[0]

    @property
    def text(self) -> str:
        """The characters it covers, as they stand in the source."""
        return self.source.text[self.start : self.end]

    def __str__(self) -> str:
        """``Dockerfile:2:6``, as compilers and editors write places."""
        return f"{self.source.name}:{self.line}:{self.column}"

    def excerpt(self) -> str:
        """The first line of the range with carets under it, or the part of a long line that they stand in.

        Tabs become blanks so that the carets stay below; what can't be printed becomes U+FFFD.
        """
        line, column = self.source.position(self.start)
        text = self.source.line(line)
        column = min(column, len(text) + 1)  # a line's end is shown as one character
        length = max(1, min(self.end - self.start, len(text) - column + 1))
        cut = max(0, column - 1 - EXCERPT_WIDTH // 2) if len(text) > EXCERPT_WIDTH else 0
        shown = text[cut : cut + EXCERPT_WIDTH]
        before, after = "…" if cut else "", "…" if len(text) > cut + EXCERPT_WIDTH else ""
        indent = column - 1 - cut
        carets = " " * (len(before) + indent) + "^" * min(length, EXCERPT_WIDTH - indent)
        gutter = f"{line} | "
        return gutter + before + _printable(shown) + after + "\n" + " " * (len(gutter) - 2) + "| " + carets


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " if c == "\t" else "\ufffd" for c in text)
