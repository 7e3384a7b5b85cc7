"""Logical lines: directives, comments and continuations taken out, and where every character stood."""

from __future__ import annotations

import re
from bisect import bisect_left

from minibuild.dockerfile.text import SPACES, Text
from minibuild.errors import DockerfileError, Finding
from minibuild.source import Source, Span
from minibuild.values import dataclass

LINE_LIMIT = 65535
"""The most bytes that BuildKit reads of a line, its end not counted."""

_DIRECTIVE = re.compile(r"#[\t\f\r ]*([a-zA-Z][a-zA-Z0-9]*)[\t\f\r ]*=")
_DIRECTIVES = ("syntax", "escape", "check")
_UTF_16 = ("\udcff\udcfe", "\udcfe\udcff")
DOCKER_SYNTAX = re.compile(r"(?:.*/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A line without its continuations, and the comment lines right above it, oldest first, without ``#``."""

    text: Text
    comments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Region:
    """A here-document's lines: offsets of the first and of the line that ends it."""

    start: int
    end: int


def check_encoding(source: Source) -> None:
    """Raises DockerfileError where the whole text is written in a way that nothing of it can be read."""
    text = source.text
    if text.startswith(_UTF_16):
        hint = "save the file as UTF-8, or: iconv -f UTF-16 -t UTF-8"
        raise DockerfileError(f"{source.name} is UTF-16, wanted UTF-8", span=source.span(0, 1), hint=hint)
    if "\n" not in text and "\r" in text.rstrip("\r"):
        at = text.index("\r")
        hint = f"save the file with line feeds, or: tr '\\r' '\\n' < {source.name}"
        raise DockerfileError("lines end with carriage returns alone", span=source.span(at, at + 1), hint=hint)


class LineReader:
    """Reads a source line by line; the lines of here-documents are asked for in between.

    ``escape`` and ``directives`` are known from the start. ``errors`` and ``findings`` grow while reading.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.escape = "\\"
        self.directives: dict[str, str] = {}
        self.errors: list[DockerfileError] = []
        self.findings: list[Finding] = []
        self._lines = _physical_lines(source)
        self._next = 0
        self._places: dict[bool, dict[str, list[int]]] = {}
        self._check_lengths()
        self._read_directives()

    def read(self) -> LogicalLine | None:
        """The next logical line that isn't blank or a comment; None at the end."""
        comments: list[str] = []
        while self._next < len(self._lines):
            start, end = self._lines[self._next]
            self._next += 1
            line = self.source.text[start:end].lstrip(SPACES)
            if not line:
                comments.clear()
            elif line[0] == "#":
                comments.append(line[1:].strip(SPACES))
            else:
                return LogicalLine(self._with_continuations(end - len(line), end), tuple(comments))
        return None

    def here_document(self, name: str, *, chomps: bool) -> Region | None:
        """The lines up to the one that is ``name``, which is read too; None, and nothing read, if there is none."""
        places = self._places_of_lines(chomps).get(name, [])
        at = bisect_left(places, self._next)
        if at == len(places):
            return None
        terminator = places[at]
        region = Region(self._lines[self._next][0], self._lines[terminator][0])
        self._next = terminator + 1
        return region

    def almost_ending(self, name: str) -> int | None:
        """The number of the line below that would end a here-document but for blanks around it; None for none."""
        lines = enumerate(self._lines[self._next :], self._next + 1)
        return next((number for number, (start, end) in lines if self.source.text[start:end].strip() == name), None)

    def skip_to_end(self) -> None:
        """Gives up what is left: nothing after a here-document without an end can be told apart."""
        self._next = len(self._lines)

    @property
    def last_end(self) -> int:
        """The offset at which the physical line read last ends."""
        return self._lines[self._next - 1][1] if self._next else 0

    @property
    def mark(self) -> int:
        """The number of physical lines read."""
        return self._next

    def _check_lengths(self) -> None:
        for start, end in self._lines:
            if (end - start) * 4 <= LINE_LIMIT:
                continue
            size = len(self.source.text[start:end].encode("utf-8", "surrogatepass"))
            if size > LINE_LIMIT:
                message = f"line of {size} bytes, a line may have {LINE_LIMIT}"
                hint = "break it, or keep the text in a file of the context"
                self.errors.append(DockerfileError(message, span=self.source.span(start, start + 1), hint=hint))

    def _read_directives(self) -> None:
        # Any other line than a directive ends the zone: a blank one and a comment too.
        while self._next < len(self._lines):
            start, end = self._lines[self._next]
            line = self.source.text[start:end].lstrip(SPACES)
            text = Text.of(self.source.span(end - len(line), end))
            match = _DIRECTIVE.match(line)
            if not match or match[1].lower() not in _DIRECTIVES:
                return
            value = text.slice(match.end(), len(line)).strip()
            if not value:
                return
            self._add_directive(text.slice(*match.span(1)), value)
            self._next += 1

    def _add_directive(self, name: Text, value: Text) -> None:
        key = name.value.lower()
        if key in self.directives:
            self.errors.append(DockerfileError(f"only one {key} directive can be used", span=name.span))
            return
        self.directives[key] = value.value
        if key == "escape" and value.value not in ("\\", "`"):
            self.errors.append(DockerfileError(f"escape directive wants \\ or `, got '{value}'", span=value.span))
        elif key == "escape":
            self.escape = value.value
        elif key == "syntax" and not DOCKER_SYNTAX.fullmatch(value.value):
            message = f"syntax {value} is not docker/dockerfile: the file is read as a plain Dockerfile"
            self.findings.append(Finding("UnknownSyntax", message, value.span))

    def _with_continuations(self, start: int, end: int) -> Text:
        pieces: list[tuple[int, int]] = []
        first_blank = None
        end, continues = self._without_escape(start, end)
        pieces.append((start, end))
        while continues and self._next < len(self._lines):
            start, end = self._lines[self._next]
            self._next += 1
            line = self.source.text[start:end].lstrip(SPACES)
            if not line and first_blank is None:
                first_blank = start
            if line and line[0] != "#":
                end, continues = self._without_escape(start, end)
                pieces.append((start, end))
        if first_blank is not None:
            self._warn_of_blank(first_blank)
        if len(pieces) == 1:
            return Text.of(self.source.span(*pieces[0]))
        return Text.joined(Text.of(self.source.span(*piece)) for piece in pieces)

    def _without_escape(self, start: int, end: int) -> tuple[int, bool]:
        """Where a line ends without the escape that continues it, and whether there was one."""
        line = self.source.text[start:end].rstrip(" \t")
        if not line.endswith(self.escape) or line.endswith(self.escape * 2):
            return end, False
        return start + len(line) - 1, True

    def _warn_of_blank(self, offset: int) -> None:
        message = "empty line inside a continued instruction"
        hint = "Docker means to end the instruction there one day: take the line out, or make it a comment"
        self.findings.append(Finding("NoEmptyContinuation", message, Span(self.source, offset, offset), hint))

    def _places_of_lines(self, chomps: bool) -> dict[str, list[int]]:
        if chomps not in self._places:
            places: dict[str, list[int]] = {}
            for number, (start, end) in enumerate(self._lines):
                line = self.source.text[start:end]
                places.setdefault(line.lstrip("\t") if chomps else line, []).append(number)
            self._places[chomps] = places
        return self._places[chomps]


def _physical_lines(source: Source) -> list[tuple[int, int]]:
    """Start and end of every line, line ends not included."""
    text, starts = source.text, source.line_starts
    ends = (*starts[1:], len(text))
    lines = [(start, start + len(text[start:end].rstrip("\r\n"))) for start, end in zip(starts, ends, strict=True)]
    return lines[:-1] if starts[-1] == len(text) else lines
