"""A piece of a Dockerfile's text that remembers where each of its characters stood."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from minibuild.source import Source, Span
from minibuild.values import dataclass, field

SPACES = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
"""What Go's unicode.IsSpace says is a blank, and so what separates words; Python's str.isspace says more."""


@dataclass(frozen=True, slots=True)
class Text:
    """Characters with their places; equal to another by its characters alone.

    ``segments`` are (index in ``value``, offset in ``source``) pairs, ascending, the first at index 0: from each
    on, the two run in step until the next (a continuation, a comment between lines or a carriage return was left
    out there).
    """

    value: str
    source: Source = field(compare=False, repr=False)
    segments: tuple[tuple[int, int], ...] = field(compare=False, repr=False)

    @classmethod
    def of(cls, span: Span) -> Text:
        """The text that stands at a span."""
        return cls(span.text, span.source, ((0, span.start),))

    @classmethod
    def joined(cls, parts: Iterable[Text]) -> Text:
        """At least one text, one behind the other; the gaps between them in the source are remembered."""
        values: list[str] = []
        segments: list[tuple[int, int]] = []
        length = 0
        for part in parts:
            source = part.source
            if part.value or not segments:
                if segments and segments[-1][0] == length:
                    segments.pop()  # an empty text's place
                segments += [(length + index, offset) for index, offset in part.segments]
            values.append(part.value)
            length += len(part.value)
        return cls("".join(values), source, tuple(segments))

    def offset(self, index: int) -> int:
        """Where in the source a character stood."""
        if len(self.segments) == 1:
            return self.segments[0][1] + index
        at, start = self.segments[bisect_right(self.segments, index, key=lambda segment: segment[0]) - 1]
        return start + index - at

    @property
    def span(self) -> Span:
        """From its first character to its last; an empty text points at where it would stand."""
        if not self.value:
            start = self.segments[0][1]
            return Span(self.source, start, start)
        return Span(self.source, self.segments[0][1], self.offset(len(self.value) - 1) + 1)

    def slice(self, start: int, end: int) -> Text:
        """The text between two indices."""
        length = len(self.value)
        start, end = min(start, length), min(end, length)
        if start == 0 and end == length:
            return self
        if len(self.segments) == 1:  # most texts: no search, for parsing spends its time here
            return Text(self.value[start:end], self.source, ((0, self.segments[0][1] + start),))
        first = bisect_right(self.segments, start, key=lambda segment: segment[0])
        last = bisect_left(self.segments, end, key=lambda segment: segment[0])
        inside = [(index - start, offset) for index, offset in self.segments[first:last]]
        return Text(self.value[start:end], self.source, ((0, self.offset(start)), *inside))

    def strip(self) -> Text:
        """Without the blanks at both ends."""
        value = self.value
        start = len(value) - len(value.lstrip(SPACES))
        end = max(start, len(value.rstrip(SPACES)))
        return self if end - start == len(value) else self.slice(start, end)

    def __str__(self) -> str:
        return self.value

    def __bool__(self) -> bool:
        return bool(self.value)
