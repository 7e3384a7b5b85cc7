"""Symbolic modes: ``u=rwX,go=rX`` and its like, as chmod(1) reads them.

Source: POSIX chmod, and what GNU's adds to it: an ``X`` counts after ``=`` too, and a directory keeps its set-id bits
unless they are named.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from minibuild.values import dataclass, field

_ALL = 0o7777
_SET_IDS = 0o6000
_EXECUTE = 0o111
_UMASK = 0o022
"""What ``+w`` without a class leaves out: the umask that builds run with."""

_CLASSES = {"u": 0o4700, "g": 0o2070, "o": 0o1007, "a": _ALL}
_COPIED = {"u": 0o700, "g": 0o070, "o": 0o007}
_LETTERS = {"r": 0o444, "w": 0o222, "x": _EXECUTE, "X": 0, "s": _SET_IDS, "t": 0o1000}
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)")
_ACTION = re.compile(r"([-+=])([ugo]|[rwxXst]*)")


class _Kind(Enum):
    """Where the bits of a change come from."""

    GIVEN = "as the letters say"
    SEARCH = "as the letters say, and X for directories and what is executable"
    COPIED = "from another class of the same file"


class _Change(NamedTuple):
    """``affected`` are the bits of the classes named, 0 for none; ``named`` those that a directory may lose too."""

    operator: str
    affected: int
    value: int
    named: int
    kind: _Kind

    def applied_to(self, mode: int, *, is_directory: bool) -> int:
        value = self.value
        if self.kind is _Kind.COPIED:
            value = _spread(value & mode)
        elif self.kind is _Kind.SEARCH and (is_directory or mode & _EXECUTE):
            value |= _EXECUTE
        kept = _SET_IDS & ~self.named if is_directory else 0
        value &= (self.affected or ~_UMASK) & ~kept
        match self.operator:
            case "+":
                return mode | value
            case "-":
                return mode & ~value
            case _:
                return mode & ((~self.affected if self.affected else 0) | kept) | value


@dataclass(frozen=True, slots=True)
class SymbolicMode:
    """A mode that is made out of the one a file has. ``text`` is as it was written."""

    text: str
    _changes: tuple[_Change, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> SymbolicMode | None:
        """What a text says; None where it is no symbolic mode."""
        changes: list[_Change] = []
        for words in text.split(","):
            clause = _CLAUSE.fullmatch(words)
            if clause is None:
                return None
            changes += _changes_of(clause[1], clause[2])
        return cls(text, tuple(changes))

    def applied_to(self, mode: int, *, is_directory: bool) -> int:
        """The mode that comes of one: permission bits, setuid, setgid and sticky."""
        for change in self._changes:
            mode = change.applied_to(mode, is_directory=is_directory)
        return mode

    def __str__(self) -> str:
        return self.text


def _changes_of(classes: str, actions: str) -> list[_Change]:
    affected = 0
    for letter in classes:
        affected |= _CLASSES[letter]
    changes = []
    for operator, letters in _ACTION.findall(actions):
        if letters in _COPIED:
            value, kind = _COPIED[letters], _Kind.COPIED
        else:
            kind = _Kind.SEARCH if "X" in letters else _Kind.GIVEN
            value = 0
            for letter in letters:
                value |= _LETTERS[letter]
        changes.append(_Change(operator, affected, value, affected & value if affected else value, kind))
    return changes


def _spread(bits: int) -> int:
    """The same permissions for all three classes as one has."""
    return sum(permission for permission in (0o444, 0o222, 0o111) if bits & permission)
