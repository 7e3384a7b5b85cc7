"""Patterns of file names, in the syntax of Go's ``filepath.Match``: whether one is well-formed."""

from __future__ import annotations

import re

from minibuild.errors import DockerfileError
from minibuild.source import Span

_MEMBER = r"(?:[^\]\\-]|\\.)"
_TERM = re.compile(rf"\[\^?+(?P<members>(?:{_MEMBER}(?:-{_MEMBER})?)++)\]|\\.|[^\[\\]++", re.DOTALL)
_RANGE = re.compile(rf"({_MEMBER})(?:-({_MEMBER}))?", re.DOTALL)


def check_pattern(noun: str, pattern: str, span: Span) -> None:
    """Raises DockerfileError, which calls the pattern by the noun, where it is malformed."""
    if fault := fault_of(pattern):
        hint = "a literal [ is written [[]" if "[" in fault else ""
        raise DockerfileError(f"{noun} '{pattern}' {fault}", span=span, hint=hint)


def fault_of(pattern: str) -> str | None:
    """What is wrong with a pattern, as the end of the sentence "pattern P …"; None where nothing is."""
    at = 0
    while at < len(pattern):
        term = _TERM.match(pattern, at)
        if term is None:
            return _fault_at(pattern[at:])
        for low, high in _RANGE.findall(term["members"] or ""):
            if high and high[-1] < low[-1]:
                return f"has a range {low}-{high} that goes backwards"
        at = term.end()
    return None


def _fault_at(rest: str) -> str:
    if rest[0] == "\\":
        return "ends with \\, which wants a character to escape"
    if "]" not in rest:
        return "has a [ that no ] closes"
    return "has a [ ] that is empty, or a - or ] in it that wants a \\ before it"
