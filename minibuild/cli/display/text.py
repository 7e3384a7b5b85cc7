"""Text out of containers and Dockerfiles, made safe to show, and measured in columns of a terminal."""

from __future__ import annotations

import re

# ESC [ … final, ESC ] … (BEL | ESC \), the other string sequences, and two-character ones; the same in C1 form.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*(?P<final>[@-~])"
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_RESET = "\x1b[0m"


def visible(line: str, *, colour: bool = False) -> str:
    """A line without what would move the cursor, set a title or hide text; of overwritten ones (``\\r``) the last.

    Colours stay only if asked for, and end with the line. Other control characters are shown as ``\\x07``.
    """
    line = next((part for part in reversed(line.split("\r")) if part), "")
    parts, coloured, end = [], False, 0
    for match in _SEQUENCE.finditer(line):
        parts.append(_escaped(line[end : match.start()]))
        if colour and _COLOUR.fullmatch(match[0]):
            parts.append(match[0])
            coloured = True
        end = match.end()
    parts.append(_escaped(line[end:]))
    return "".join(parts) + (_RESET if coloured else "")


def columns(text: str) -> int:
    """How many columns a text takes; colours take none."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(map(_columns, _COLOUR.sub("", text)))


def fit(text: str, width: int) -> str:
    """A text without colours, cut to a width; ``…`` stands for what was cut."""
    text = text.expandtabs(8)
    if columns(text) <= width:
        return text
    taken, kept = 0, []
    for character in text:
        taken += _columns(character)
        if taken > width - 1:
            break
        kept.append(character)
    return "".join(kept) + "…" if width > 0 else ""


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _columns(character: str) -> int:
    if character.isascii():
        return 1
    import unicodedata

    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
