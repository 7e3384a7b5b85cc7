"""Bodies cut into words, the way each instruction wants them: at blanks, at blanks outside quotes, into pairs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from minibuild.dockerfile.text import SPACES, Text
from minibuild.errors import DockerfileError
from minibuild.values import dataclass

_PLAIN_WORD = re.compile(r"[^\t\v\f\r ]+")
_BLANKS = re.compile(r"[\t\v\f\r ]+")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Names and values, quotes and escapes still in them; ``is_legacy``: one pair, parted by a blank and no ``=``."""

    pairs: tuple[tuple[Text, Text], ...]
    is_legacy: bool


def split_words(text: Text) -> tuple[Text, ...]:
    """Words between blanks; quotes protect nothing (COPY, VOLUME, EXPOSE, FROM)."""
    return tuple(text.slice(*match.span()) for match in _PLAIN_WORD.finditer(text.value))


def split_quoted(text: Text, escape: str) -> tuple[Text, ...]:
    """Words between blanks that aren't quoted or escaped, quotes and escapes still in them.

    An escape with nothing behind it is dropped.
    """
    words = []
    for match in _quoted_word(escape).finditer(text.value):
        start, end = match.span()
        if match.lastgroup:
            end -= 1
        if end > start:
            words.append(text.slice(start, end))
    return tuple(words)


def split_pairs(text: Text, escape: str) -> Pairs:
    """The pairs of ENV and LABEL: ``name=value …``, or the old ``name value``, where the value is all that follows.

    Raises DockerfileError at the word that has no value.
    """
    words = split_quoted(text, escape)
    if words and "=" not in words[0].value:
        blanks = _BLANKS.search(text.value)
        if not blanks:
            name = text.value[:40]
            raise DockerfileError(f"{name} has no value", span=text.span, hint=f"write {name}=value")
        pair = (text.slice(0, blanks.start()), text.slice(blanks.end(), len(text.value)))
        return Pairs((pair,), is_legacy=True)
    return Pairs(tuple(_pair(word) for word in words), is_legacy=False)


def split_declarations(text: Text, escape: str) -> tuple[tuple[Text, Text | None], ...]:
    """The words of ARG: names with their defaults, None where there is no ``=``."""
    return tuple(_pair(word) if "=" in word.value else (word, None) for word in split_quoted(text, escape))


def comment_hint(words: Iterable[Text]) -> str:
    """The remedy where a word looks like the start of a comment, which only a whole line can be; else ""."""
    is_comment = any(word.value.startswith("#") for word in words)
    return "# starts a comment at the start of a line only: give the comment a line of its own" if is_comment else ""


def _pair(word: Text) -> tuple[Text, Text]:
    at = word.value.find("=")
    if at < 0:
        name = word.value[:40]
        hint = comment_hint([word]) or f"write {name}=value; a value with blanks stands in quotes"
        raise DockerfileError(f"{name} is not of the form name=value", span=word.span, hint=hint)
    return word.slice(0, at), word.slice(at + 1, len(word.value))


@cache
def _quoted_word(escape: str) -> re.Pattern[str]:
    e = re.escape(escape)
    return re.compile(
        rf"(?:'[^']*(?:'|\Z)|\"(?:{e}.|[^\"{e}])*(?:\"|(?P<in_quotes>{e}\Z)|\Z)"
        rf"|{e}.|(?P<outside>{e}\Z)|[^'\"{e}{SPACES}])+",
        re.DOTALL,
    )
