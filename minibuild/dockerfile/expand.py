"""Variable expansion: one left-to-right scan with the whole dialect.

Outside quotes the escape makes any character plain; in double quotes only ``"``, ``$`` and itself; in single quotes
nothing is special. ``${name…}`` takes ``:-`` ``:+`` ``:?`` ``-`` ``+`` ``?`` ``#`` ``##`` ``%`` ``%%`` ``/`` ``//``;
what follows those is expanded in turn, whether it is used or not. Source: Dockerfile reference, "Environment
replacement"; BuildKit's ``frontend/dockerfile/shell``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import TypeAlias

from minibuild.dockerfile.patterns import Pattern
from minibuild.dockerfile.text import SPACES, Text
from minibuild.errors import DockerfileError

DEPTH_LIMIT = 100
SIZE_LIMIT = 1 << 20
"""The most characters that variables may add to a text."""

_NAME = re.compile(r"[@*#?\-$!]|\w+")
_DIGITS = re.compile(r"\d+")
_SPACES = re.compile(f"[{SPACES}]+")
_HERE_DOCUMENT = re.compile(r"<<[ \t\r]*|<")
_MODIFIERS_HINT = "the modifiers are :- :+ :? - + ? # ## % %% / //"

Undefined: TypeAlias = Callable[[Text], None]
Pieces: TypeAlias = list[tuple[str, bool]]
"""Results in order, each with whether its blanks part words."""


def expand(text: Text, variables: Mapping[str, str], *, escape: str = "\\", undefined: Undefined | None = None) -> str:
    """The text with variables replaced and quotes and escapes processed, as one word whatever blanks it has.

    ``undefined`` is told of every plain ``$name`` that has no value. Raises DockerfileError at the characters at
    fault.
    """
    if not _special(escape).search(text.value):
        return text.value
    return _joined(_Scanner(text, variables, escape, undefined).scan())


def expand_words(
    text: Text, variables: Mapping[str, str], *, escape: str = "\\", undefined: Undefined | None = None
) -> tuple[str, ...]:
    """Like ``expand``, then split at blanks outside quotes: one variable may become several words."""
    words: list[str] = []
    open_word: list[str] = []
    for piece, splits in _Scanner(text, variables, escape, undefined).scan():
        first, *more = _SPACES.split(piece) if splits else (piece,)
        open_word.append(first)
        for part in more:
            words.append("".join(open_word))
            open_word = [part]
    words.append("".join(open_word))
    return tuple(word for word in words if word)


def expand_document(
    text: Text, variables: Mapping[str, str], *, escape: str = "\\", undefined: Undefined | None = None
) -> str:
    """Like ``expand`` for a here-document: variables are replaced and ``\\$`` is ``$``, quotes stay as they are."""
    return _joined(_Scanner(text, variables, escape, undefined, quotes="").scan())


def _joined(pieces: Pieces) -> str:
    return "".join(piece for piece, _ in pieces)


@cache
def _special(escape: str) -> re.Pattern[str]:
    return re.compile(rf"[$'\"{re.escape(escape)}]")


@cache
def _plain(escape: str) -> re.Pattern[str]:
    return re.compile(rf"[^$'\"<}}/{re.escape(escape)}]+")


@cache
def _plain_in_quotes(escape: str) -> re.Pattern[str]:
    return re.compile(rf"[^$\"{re.escape(escape)}]+")


class _Scanner:
    """Reads one text once, from its start to its end."""

    def __init__(
        self, text: Text, variables: Mapping[str, str], escape: str, undefined: Undefined | None, quotes: str = "'\""
    ) -> None:
        self._text = text
        self._value = text.value
        self._variables = variables
        self._escape = escape
        self._undefined = undefined
        self._quotes = quotes
        self._at = 0
        self._depth = 0
        self._unused = 0  # how many of the words we are in won't be used

    def scan(self, stop: str = "", *, raw: bool = False, opened: int = 0) -> Pieces:
        """The pieces up to ``stop``, which is read too, or to the end; ``raw`` keeps escapes, for a pattern.

        ``opened`` is where that began which ``stop`` ends.
        """
        pieces: Pieces = []
        size, value, plain = 0, self._value, _plain(self._escape)
        while self._at < len(value):
            start, character = self._at, value[self._at]
            if character == stop:
                self._at += 1
                return pieces
            if match := plain.match(value, start):
                self._at = match.end()
                pieces.append((match[0], True))
            elif character == "$":
                pieces.append((self._dollar(), True))
                size += len(pieces[-1][0])
            elif character in self._quotes:
                pieces.append((self._single() if character == "'" else self._double(raw), False))
                size += len(pieces[-1][0])
            elif character == self._escape:
                self._at += 2
                pieces.append((value[start if raw else start + 1 : self._at], False))
            elif character == "<" and (match := _HERE_DOCUMENT.match(value, start)):
                self._at = match.end()
                pieces.append((match[0], False))
            else:
                self._at += 1
                pieces.append((character, True))
            if size > SIZE_LIMIT and size > len(value):
                raise self._too_large(start)
        if stop:
            raise self._error(f"{value[opened : opened + 40]} has no {stop}", opened, len(value), self._cut_hint())
        return pieces

    def _single(self) -> str:
        start = self._at
        end = self._value.find("'", start + 1)
        if end < 0:
            raise self._error("' opens a quote that nothing closes", start, start + 1)
        self._at = end + 1
        return self._value[start + 1 : end]

    def _double(self, raw: bool) -> str:
        start, value, plain = self._at, self._value, _plain_in_quotes(self._escape)
        self._at += 1
        parts: list[str] = []
        while self._at < len(value):
            character = value[self._at]
            if match := plain.match(value, self._at):
                self._at = match.end()
                parts.append(match[0])
            elif character == "$":
                parts.append(self._dollar())
            elif character == '"':
                self._at += 1
                return "".join(parts)
            else:
                parts.append(self._escaped_in_quotes(raw))
        raise self._error('" opens a quote that nothing closes', start, start + 1)

    def _escaped_in_quotes(self, raw: bool) -> str:
        following = self._value[self._at + 1 : self._at + 2]
        kept = self._escape if raw else ""
        if following in ('"', "$", self._escape):
            self._at += 2
            return kept + following
        self._at += 1
        return kept + self._escape

    def _dollar(self) -> str:
        start = self._at
        if self._value.startswith("{", start + 1):
            self._depth += 1
            if self._depth > DEPTH_LIMIT:
                raise self._error(f"more than {DEPTH_LIMIT} expansions inside one another", start, start + 2)
            result = self._braces(start)
            self._depth -= 1
            return result
        self._at += 1
        name = self._name()
        return self._plain_value(name) if name else "$"

    def _braces(self, start: int) -> str:
        self._at = start + 2
        if self._peek() in ("{", "}", ":"):
            raise self._error(f"{self._value[start : start + 3]} names no variable", start, start + 3)
        name = self._name()
        at = self._at
        modifier = self._value[at : at + 2] if self._peek() == ":" else self._peek()
        self._at += len(modifier)
        match modifier:
            case "}":
                return self._plain_value(name)
            case ":-" | "-" | ":+" | "+" | ":?" | "?":
                return self._conditional(name, modifier, start)
            case "#" | "%":
                return self._trimmed(name, modifier, start)
            case "/":
                return self._replaced(name, start)
            case "" | ":":
                message = f"{self._value[start : start + 40]} has no }}"
                raise self._error(message, start, len(self._value), self._cut_hint())
        hint = f"${{{name}:-word}} gives a default" if modifier == ":=" else _MODIFIERS_HINT
        raise self._error(f"modifier '{modifier}' is not one that Dockerfiles have", at, self._at, hint)

    def _name(self) -> Text:
        match = _NAME.match(self._value, self._at)
        start = self._at
        if not match:
            return self._text.slice(start, start)
        end = match.end()
        if match[0][0].isdecimal():
            digits = _DIGITS.match(self._value, start)
            end = digits.end() if digits else end
        elif not match[0].isascii():
            # \w has number signs such as "²", which are neither letters nor digits.
            length = next((i for i, c in enumerate(match[0]) if not (c.isalpha() or c.isdecimal() or c == "_")), None)
            end = end if length is None else start + length
        self._at = end
        return self._text.slice(start, end)

    def _plain_value(self, name: Text) -> str:
        value = self._variables.get(name.value)
        if value is None and self._undefined and not self._unused:
            self._undefined(name)
        return value or ""

    def _conditional(self, name: Text, modifier: str, start: int) -> str:
        value = self._variables.get(name.value)
        is_missing = value is None or (modifier[0] == ":" and not value)
        is_used = is_missing is not modifier.endswith("+")
        self._unused += not is_used
        word = _joined(self.scan("}", opened=start))
        self._unused -= not is_used
        if modifier.endswith("?") and is_missing:
            state = "is not set" if value is None else "is empty"
            raise self._error(f"{name} {state}" + (f": {word}" if word else ""), start, self._at)
        if is_used:
            return word
        return "" if modifier.endswith("+") else value or ""

    def _trimmed(self, name: Text, modifier: str, start: int) -> str:
        at = self._at
        word = _joined(self.scan("}", raw=True, opened=start))
        longest = word.startswith(modifier)
        pattern = self._pattern(word[1:] if longest else word, at, self._at - 1)
        value = self._variables.get(name.value, "")
        if modifier == "#":
            return pattern.without_prefix(value, longest=longest)
        return pattern.without_suffix(value, longest=longest)

    def _replaced(self, name: Text, start: int) -> str:
        every = self._peek() == "/"
        self._at += every
        at = self._at
        word = _joined(self.scan("/", raw=True, opened=start))
        end = self._at - 1
        replacement = _joined(self.scan("}", raw=True, opened=start))
        pattern = self._pattern(word, at, end)
        value = self._variables.get(name.value, "")
        try:
            return pattern.replaced(value, replacement, limit=SIZE_LIMIT, every=every)
        except OverflowError:
            raise self._too_large(start) from None

    def _pattern(self, word: str, start: int, end: int) -> Pattern:
        try:
            return Pattern.parse(word)
        except ValueError as error:
            hint = "? * \\ } and / can be escaped"
            raise self._error(f"{error} is no escape in a pattern", start, end, hint) from None

    def _peek(self) -> str:
        return self._value[self._at : self._at + 1]

    def _cut_hint(self) -> str:
        """The remedy where the text was cut out of its line at a blank."""
        end = self._text.span.end
        is_cut = self._text.source.text[end : end + 1] in (" ", "\t")
        return "a blank ends the word, in braces too" if is_cut else ""

    def _too_large(self, start: int) -> DockerfileError:
        return self._error(f"expansion gives more than {SIZE_LIMIT} characters", start, self._at)

    def _error(self, message: str, start: int, end: int, hint: str = "") -> DockerfileError:
        return DockerfileError(message, span=self._text.slice(start, end).span, hint=hint)
