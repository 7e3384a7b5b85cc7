"""Statements: the logical lines of a Dockerfile, cut into keyword, flags, body and here-documents."""

from __future__ import annotations

from minibuild.dockerfile.text import Text
from minibuild.errors import Finding
from minibuild.source import Source, Span
from minibuild.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Flag:
    """``--name=value`` before the body; ``value`` is None for a bare ``--name``."""

    name: str
    value: Text | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class HereDocument:
    """``<<NAME`` and the lines up to ``NAME``.

    ``content`` ends with a line end unless empty; its leading tabs are gone if the marker was ``<<-``. ``expands``:
    no character of the delimiter was quoted. ``descriptor`` is the number before ``<<``, "" for none. ``marker`` is
    the word ``3<<-"NAME"`` in the body, as it was written. ``span`` are the lines of the content as they stand.
    """

    name: str
    content: str
    expands: bool
    chomps: bool
    descriptor: str
    marker: Text
    span: Span = field(compare=False, repr=False)

    @property
    def text(self) -> Text:
        """The content with the places of its characters."""
        if not self.chomps or not self.content:
            return Text(self.content, self.span.source, ((0, self.span.start),))
        parts, offset = [], self.span.start
        for line in self.span.text.split("\n"):
            start, offset = offset, offset + len(line) + 1
            parts.append(Text.of(self.span.source.span(start + len(line) - len(line.lstrip("\t")), offset)))
        return Text.joined(parts[:-1])


@dataclass(frozen=True, slots=True)
class Statement:
    """One instruction as it was written.

    ``keyword`` is upper case. ``body`` is what follows keyword and flags, blanks stripped at both ends;
    ``arguments`` are its strings where it is a JSON array of strings and the instruction has an exec form, else
    None. ``escape`` is the file's escape character. ``trigger`` is the statement inside an ONBUILD; here-documents of
    a trigger are the ONBUILD's too. ``comments`` are the comment lines right above, oldest first, without ``#`` and
    blanks at the ends. ``original`` is the whole logical line, for error messages and progress. ``span`` reaches to
    the line that ends the last here-document.
    """

    keyword: str
    flags: tuple[Flag, ...]
    body: Text
    arguments: tuple[Text, ...] | None
    heredocs: tuple[HereDocument, ...]
    original: str
    escape: str
    keyword_span: Span = field(compare=False, repr=False)
    span: Span = field(compare=False, repr=False)
    trigger: Statement | None = None
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A parsed file: its directives (``escape``, ``syntax``, ``check``; keys lower case) and its statements, in
    order.

    ``findings`` are what the text itself gives to warn about (invalid JSON taken for shell form, empty continuation
    lines).
    """

    source: Source
    directives: dict[str, str]
    statements: tuple[Statement, ...]
    findings: tuple[Finding, ...] = ()
