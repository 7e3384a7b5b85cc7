"""Flags: the words ``--name=value`` between a keyword and its body."""

from __future__ import annotations

import re
from functools import cache

from minibuild.dockerfile.statements import Flag
from minibuild.dockerfile.text import SPACES, Text


def cut_flags(rest: Text, escape: str) -> tuple[tuple[Flag, ...], Text]:
    """The flags that a text starts with, and the body behind them; a word ``--`` ends the flags."""
    value, at = rest.value, 0
    flags = []
    while value.startswith("--", at):
        match = _word_pattern(escape).match(value, at)
        end = match.end() if match else len(value)
        raw = rest.slice(at, end)
        at = end + len(value[end:]) - len(value[end:].lstrip(SPACES))
        word = _unquoted(raw, escape)
        if word.value == "--":
            break
        name, equals, _ = word.value[2:].partition("=")
        argument = word.slice(len(name) + 3, len(word.value)) if equals else None
        flags.append(Flag(name, argument, raw.span))
    return tuple(flags), rest.slice(at, len(value)).strip()


@cache
def _word_pattern(escape: str) -> re.Pattern[str]:
    e = re.escape(escape)
    return re.compile(
        rf"(?:'(?:{e}.|[^'{e}])*(?:'|{e}?\Z)|\"(?:{e}.|[^\"{e}])*(?:\"|{e}?\Z)|{e}.?|[^'\"{e}{SPACES}])+", re.DOTALL
    )


def _unquoted(word: Text, escape: str) -> Text:
    """A word without its quotes and escapes; a quote that nothing closes reaches to the end."""
    if not any(mark in word.value for mark in ("'", '"', escape)):
        return word
    parts, quote, at = [word.slice(0, 0)], "", 0
    while at < len(word.value):
        character = word.value[at]
        if character == escape:
            parts.append(word.slice(at + 1, at + 2))
            at += 2
            continue
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        else:
            parts.append(word.slice(at, at + 1))
        at += 1
    return Text.joined(parts)
