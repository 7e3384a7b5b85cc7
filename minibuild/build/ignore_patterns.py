"""The patterns of ignore files: read into tokens, and matched by an automaton that never goes back."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import TypeAlias

from minibuild.dockerfile.text import SPACES
from minibuild.errors import ContextError
from minibuild.source import Source
from minibuild.values import dataclass

_STATES_KEPT = 16384
_SPECIAL = re.compile(r"[*?\[\]\\]")


class Wild(Enum):
    """What stands for other characters than itself."""

    ONE = "?: one character, no /"
    MANY = "*: any characters, no /"
    ALL = "** at the end: any characters"
    ENTER = "**/: nothing, or go on INSIDE"
    INSIDE = "**/: any characters up to a /"


@dataclass(frozen=True, slots=True)
class Characters:
    """``[a-z]`` or, negated, ``[^a-z]``; as in moby, a negated one takes ``/`` too."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool

    def __contains__(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) is not self.negated


Token: TypeAlias = str | Wild | Characters


@dataclass(frozen=True, slots=True)
class Rule:
    """A line of an ignore file, counted from 1; ``brings_back``: it starts with ``!``."""

    tokens: tuple[Token, ...]
    brings_back: bool
    line: int


def parse_rules(source: Source) -> tuple[Rule, ...]:
    """The rules of an ignore file, in order; raises ContextError with every line that is none.

    Comments start in the first column. Patterns are cleaned as paths are: ``/a``, ``./a`` and ``b/../a`` are ``a``.
    """
    rules, errors = [], []
    for number, start in enumerate(source.line_starts, 1):
        line = source.line(number)
        if number == 1 and line.startswith("\ufeff"):
            line, start = line[1:], start + 1
        text = line.strip(SPACES)
        if not text or line.startswith("#"):
            continue
        try:
            rules.append(_rule(text, number))
        except ValueError as error:
            at = start + line.index(text)
            errors.append(ContextError(str(error), span=source.span(at, at + len(text))))
    if errors:
        raise ContextError.together(errors)
    return tuple(rules)


def rules_of(patterns: Iterable[str]) -> tuple[Rule, ...]:
    """The rules of patterns by themselves, numbered from 1; raises ContextError with those that are none."""
    rules, errors = [], []
    for number, pattern in enumerate(patterns, 1):
        try:
            rules.append(_rule(pattern, number))
        except ValueError as error:
            errors.append(ContextError(str(error)))
    if errors:
        raise ContextError.together(errors)
    return tuple(rules)


def _rule(text: str, line: int) -> Rule:
    brings_back = text.startswith("!")
    pattern = text[1:].strip(SPACES) if brings_back else text
    # Go's Clean knows no "//" at the front, Python's normpath does.
    pattern = posixpath.normpath(re.sub("/+", "/", pattern)) if pattern else "/"
    if brings_back and pattern == "/":
        raise ValueError("! wants a pattern to bring back")
    return Rule(tuple(_tokens(pattern.removeprefix("/") or pattern)), brings_back, line)


def _tokens(pattern: str) -> Iterator[Token]:
    """As moby reads them; ``**`` means any end of a path where plain characters follow it, else whole directories."""
    if pattern.startswith("**") and pattern[2:3] != "/" and not _SPECIAL.search(pattern, 2):
        yield Wild.ALL
        yield from pattern[2:]
        return
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*" and pattern.startswith("*", at):
            at += 2 if pattern.startswith("/", at + 1) else 1
            while pattern.startswith("**/", at):  # any number of directories, and then any number
                at += 3
            yield from (Wild.ENTER, Wild.INSIDE) if at < len(pattern) else (Wild.ALL,)
        elif character == "*":
            yield Wild.MANY
        elif character == "?":
            yield Wild.ONE
        elif character == "[":
            characters, at = _characters(pattern, at)
            yield characters
        elif character == "\\":
            yield _escaped(pattern, at)
            at += 1
        else:
            yield character


def _escaped(pattern: str, at: int) -> str:
    if at >= len(pattern):
        raise ValueError(f"pattern {pattern} ends with \\, which wants a character to escape")
    return pattern[at]


def _characters(pattern: str, at: int) -> tuple[Characters, int]:
    """The set whose ``[`` stands before ``at``, and where its ``]`` has been read."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while not ranges or not pattern.startswith("]", at):
        low, at = _bound(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _bound(pattern, at + 1)
        if high < low:
            raise ValueError(f"pattern {pattern} has a range [{low}-{high}] that goes backwards")
        ranges.append((low, high))
    return Characters(tuple(ranges), negated), at + 1


def _bound(pattern: str, at: int) -> tuple[str, int]:
    if at >= len(pattern):
        raise ValueError(f"pattern {pattern} has a [ without its ]")
    if pattern[at] in "-]":
        raise ValueError(f"pattern {pattern} has a {pattern[at]} in [ ] that wants a \\ before it")
    if pattern[at] == "\\":
        return _escaped(pattern, at + 1), at + 2
    return pattern[at], at + 1


class Automaton:
    """Any of some token sequences. A state is a set of places in them, one bit each; 0 matches nothing any more.

    ``start`` is the state before any character, ``final`` all places at which a sequence has come to its end, and
    ``places`` those of each sequence.
    """

    def __init__(self, sequences: Sequence[Sequence[Token]]) -> None:
        self._literals: dict[str, int] = {}
        self._sets: list[tuple[int, Characters]] = []
        self._masks = dict.fromkeys(Wild, 0)
        self._moves: dict[str, tuple[int, int]] = {}
        self._rows: dict[int, dict[str, int]] = {}
        self._ends: dict[int, int] = {}
        self.places: list[int] = []
        place, starts = 0, 0
        for number, sequence in enumerate(sequences):
            first = place
            for place, token in enumerate(sequence, first):
                self._add(token, 1 << place)
            place = first + len(sequence)
            self._ends[place] = number
            place += 1
            starts |= 1 << first
            self.places.append((1 << place) - (1 << first))
        self.final = sum(1 << place for place in self._ends)
        self._skips = self._masks[Wild.MANY] | self._masks[Wild.ALL] | self._masks[Wild.ENTER]
        self.start = self._closed(starts)

    def advance(self, state: int, text: str) -> int:
        """The state after more characters."""
        rows = self._rows
        for character in text:
            if not state:
                return 0
            row = rows.get(state)
            if row is None:
                if len(rows) >= _STATES_KEPT:
                    rows.clear()
                    self._moves.clear()
                row = rows[state] = {}
            after = row.get(character)
            if after is None:
                after = row[character] = self._step(state, character)
            state = after
        return state

    def first(self, ends: int) -> int:
        """The number of the first sequence that has come to its end; one must have."""
        ends &= self.final
        return self._ends[(ends & -ends).bit_length() - 1]

    def _add(self, token: Token, bit: int) -> None:
        if isinstance(token, Wild):
            self._masks[token] |= bit
        elif isinstance(token, Characters):
            self._sets.append((bit, token))
        else:
            self._literals[token] = self._literals.get(token, 0) | bit

    def _step(self, state: int, character: str) -> int:
        moves, stays = self._moves.get(character) or self._read(character)
        return self._closed((state & moves) << 1 | (state & stays))

    def _read(self, character: str) -> tuple[int, int]:
        """The places from which a character leads to the next one, and those that it may stay at."""
        masks = self._masks
        moves = self._literals.get(character, 0)
        for bit, characters in self._sets:
            if character in characters:
                moves |= bit
        stays = masks[Wild.ALL] | masks[Wild.INSIDE]
        if character == "/":
            moves |= masks[Wild.INSIDE]
        else:
            moves |= masks[Wild.ONE]
            stays |= masks[Wild.MANY]
        self._moves[character] = moves, stays
        return moves, stays

    def _closed(self, state: int) -> int:
        """With the places that are reached without a character."""
        new = state & self._skips
        while new:
            reached = new << 1 | (new & self._masks[Wild.ENTER]) << 2
            new = reached & ~state & self._skips
            state |= reached
        return state
