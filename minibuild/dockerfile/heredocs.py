"""Markers of here-documents: the words ``<<NAME`` of a body."""

from __future__ import annotations

import re

from minibuild.dockerfile.text import SPACES, Text
from minibuild.values import dataclass

# BuildKit's lexer looks for markers with "\" as the escape, whatever the file's directive says.
_TOKEN = re.compile(
    rf"(?P<blank>[{SPACES}]+)"
    r"|'[^']*'|\"(?:\\.|[^\"\\])*\""
    r"|(?P<unmatched>['\"])|\\.?|<<[ \t\r]*"
    rf"|[^{SPACES}'\"\\<]+|<",
    re.DOTALL,
)
_MARKER = re.compile(r"([0-9]*)<<(-?)[ \t\n\f\r]*([^<]*)")
_QUOTED = re.compile(r"'([^']*)'|\"((?:\\.|[^\"\\])*)\"|\\(.)|[^'\"\\]+", re.DOTALL)
_ESCAPED = re.compile(r"\\([\"$\\])")


@dataclass(frozen=True, slots=True)
class Marker:
    """``3<<-"NAME"``: what ends the document, and whether its content expands and loses its leading tabs."""

    name: str
    expands: bool
    chomps: bool
    descriptor: str
    text: Text


def markers(body: Text) -> tuple[Marker, ...]:
    """The markers of a body, in order; none where its quotes don't match."""
    if "<<" not in body.value:
        return ()
    words = _shell_words(body)
    return tuple(marker for marker in map(_marker, words) if marker)


def _shell_words(body: Text) -> list[Text]:
    """Words with their quotes and escapes; ``<<`` keeps the blanks behind it."""
    words: list[Text] = []
    start = None
    for match in _TOKEN.finditer(body.value):
        if match["unmatched"]:
            return []
        if not match["blank"]:
            start = match.start() if start is None else start
        elif start is not None:
            words.append(body.slice(start, match.start()))
            start = None
    if start is not None:
        words.append(body.slice(start, len(body.value)))
    return words


def _marker(word: Text) -> Marker | None:
    match = _MARKER.fullmatch(word.value)
    if not match:
        return None
    quoted = False
    name = ""
    for piece in _QUOTED.finditer(match[3]):
        single, double, escaped = piece.groups()
        quoted = quoted or single is not None or double is not None
        if double is not None:
            name += _ESCAPED.sub(r"\1", double)
        else:
            name += next((part for part in (single, escaped) if part is not None), piece[0])
    return Marker(name, not quoted, bool(match[2]), match[1], word) if name else None
