"""Shell commands as words: as much of a shell's grammar as it takes to see what a RUN calls.

Quotes, escapes, comments, operators and redirections are understood; ``$(…)``, backquotes and ``${…}`` stay part of
their word, as they are. A command's words begin with its program: what may stand before one (``if``, ``!``, ``A=1``,
``sudo``, ``env``) is passed over, and ``sh -c '…'`` is what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.source import Span
from minibuild.values import dataclass

SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh"))

_OPERATORS = ("&&", "||", ";;", "|&", ";", "|", "&", "(", ")", "\n")
_REDIRECTION = re.compile(r"(?:[0-9]*(?:<<<|<<-?|<>|<&|<|>>|>&|>\||>)|&>>?)")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_RESERVED = frozenset(("if", "then", "elif", "else", "while", "until", "do", "!", "{", "time"))
_NO_COMMANDS = frozenset(("for", "case", "select", "function", "fi", "done", "esac", "}", "in"))
_PREFIXES = frozenset(("sudo", "env", "exec", "command", "nice", "nohup", "eatmydata", "time"))
_PYTHONS = re.compile(r"python[0-9.]*")
_PLAIN = re.compile(r"[^\\'\"$`\s;&|()<>]+")
_DEEPEST = 3


@dataclass(frozen=True, slots=True)
class Word:
    """A word without its quotes; ``text`` is the word as it stands."""

    value: str
    text: Text


@dataclass(frozen=True, slots=True)
class Command:
    """A simple command: its words, and the operator behind it (``&&``, ``;``, ``&``, …; "" at the end)."""

    words: tuple[Word, ...]
    ends: str

    @property
    def program(self) -> str:
        """The name of what is run, without its directory."""
        return self.words[0].value.rpartition("/")[2]

    @property
    def arguments(self) -> tuple[Word, ...]:
        """The words behind the program."""
        return self.words[1:]

    @property
    def span(self) -> Span:
        """From its first word to its last."""
        first, last = self.words[0].text.span, self.words[-1].text.span
        return Span(first.source, first.start, max(first.end, last.end))

    @property
    def values(self) -> tuple[str, ...]:
        """The words behind the program as they are, without their places."""
        return tuple(word.value for word in self.words[1:])

    def operands(self, with_value: frozenset[str] = frozenset()) -> tuple[Word, ...]:
        """The words behind the program that are no options; those of ``with_value`` take the next word along."""
        found, rest = [], iter(self.arguments)
        for word in rest:
            if word.value in with_value:
                next(rest, None)
            elif not word.value.startswith("-"):
                found.append(word)
        return tuple(found)

    def has(self, *options: str) -> bool:
        """Whether one of these options is given, as a word or as ``--option=value``."""
        return any(value.partition("=")[0] in options or value in options for value in self.values)


def commands_of(statement: Statement) -> tuple[Command, ...]:
    """What a RUN, CMD or ENTRYPOINT runs, taken for a shell's words where it has the shell form."""
    if statement.arguments is not None:
        words = tuple(Word(text.value, text) for text in statement.arguments)
        return tuple(_unwrapped(Command(words, ""), statement.arguments, 0)) if words else ()
    documents = statement.heredocs
    found = () if documents and statement.body == documents[0].marker else commands(statement.body)
    scripts = [
        document.text
        for document in documents
        if (not found and not document.content.startswith("#!"))
        or document.content.startswith(tuple(f"#!/bin/{shell}" for shell in SHELLS))
        or (found and found[0].program in SHELLS)
    ]
    return (*found, *(command for script in scripts for command in commands(script)))


def commands(text: Text, depth: int = 0) -> tuple[Command, ...]:
    """The simple commands of a text, in order."""
    found: list[Command] = []
    words: list[Text] = []
    for kind, token in (*_tokens(text), ("operator", text.slice(len(text.value), len(text.value)))):
        if kind == "word":
            words.append(token)
            continue
        command = _command(words, token.value)
        if command:
            found.extend(_unwrapped(*command, depth))
        words = []
    return tuple(found)


def _command(words: list[Text], ends: str) -> tuple[Command, tuple[Text, ...]] | None:
    """The command that words are, beginning with its program, and their texts."""
    at, after_prefix = 0, False
    while at < len(words):
        value = words[at].value
        if value in _RESERVED or _ASSIGNMENT.match(value):
            at += 1
        elif value in _PREFIXES or (after_prefix and value.startswith("-")):
            at, after_prefix = at + 1, True
        else:
            break
    rest = tuple(words[at:])
    if not rest or rest[0].value in _NO_COMMANDS:
        return None
    if _PYTHONS.fullmatch(_unquoted(rest[0].value).rpartition("/")[2]) and len(rest) > 2 and rest[1].value == "-m":
        rest = rest[2:]
    return Command(tuple(Word(_unquoted(text.value), text) for text in rest), ends), rest


def _unwrapped(command: Command, texts: tuple[Text, ...], depth: int) -> Iterator[Command]:
    """The command itself, or for ``sh -c '…'`` those that it is given."""
    options = [index for index, value in enumerate(command.values, 1) if re.fullmatch(r"-[a-z]*c", value)]
    if command.program not in SHELLS or not options or options[0] + 1 >= len(texts) or depth >= _DEEPEST:
        yield command
        return
    script = texts[options[0] + 1]
    is_quoted = len(script.value) > 1 and script.value[0] == script.value[-1] and script.value[0] in "'\""
    yield from commands(script.slice(1, len(script.value) - 1) if is_quoted else script, depth + 1)


def _tokens(text: Text) -> Iterator[tuple[str, Text]]:
    """Words and operators; redirections and comments are left out."""
    value, at, is_target = text.value, 0, False
    while at < len(value):
        if value[at] in " \t\r":
            at += 1
        elif value.startswith("\\\n", at):
            at += 2
        elif value[at] == "#":
            at = _found(value, "\n", at)
        elif redirection := _REDIRECTION.match(value, at):
            at, is_target = redirection.end(), True
        elif operator := next((each for each in _OPERATORS if value.startswith(each, at)), ""):
            yield "operator", text.slice(at, at + len(operator))
            at, is_target = at + len(operator), False
        else:
            end = _word_end(value, at)
            if not is_target:
                yield "word", text.slice(at, end)
            at, is_target = end, False


def _word_end(value: str, at: int) -> int:
    while at < len(value) and value[at] not in " \t\r\n;&|()<>":
        at = _piece_end(value, at)
    return at


def _piece_end(value: str, at: int) -> int:
    """Where what begins here ends: a quoted string, an escaped character, an expansion, or plain characters."""
    match value[at]:
        case "\\":
            return min(at + 2, len(value))
        case "'" | "`":
            return min(_found(value, value[at], at + 1) + 1, len(value))
        case '"':
            return _double_quoted_end(value, at + 1)
        case "$" if value.startswith("$(", at):
            return _parenthesis_end(value, at + 2)
        case "$" if value.startswith("${", at):
            return min(_found(value, "}", at + 2) + 1, len(value))
        case _:
            plain = _PLAIN.match(value, at)
            return plain.end() if plain else at + 1


def _double_quoted_end(value: str, at: int) -> int:
    while at < len(value) and value[at] != '"':
        at += 2 if value[at] == "\\" else 1
    return min(at + 1, len(value))


def _parenthesis_end(value: str, at: int) -> int:
    depth = 1
    while at < len(value) and depth:
        if value[at] in "()":
            depth += 1 if value[at] == "(" else -1
            at += 1
        elif value.startswith("$(", at):
            at += 1
        else:
            at = _piece_end(value, at)
    return at


def _found(value: str, what: str, at: int) -> int:
    found = value.find(what, at)
    return len(value) if found < 0 else found


def _unquoted(value: str) -> str:
    parts, at = [], 0
    while at < len(value):
        end = _piece_end(value, at)
        piece = value[at:end]
        if piece[0] == "'":
            parts.append(piece.strip("'"))
        elif piece[0] == '"':
            parts.append(re.sub(r"\\([\"\\$`])", r"\1", piece.removeprefix('"').removesuffix('"')))
        elif piece[0] == "\\":
            parts.append(piece[1:].replace("\n", ""))
        else:
            parts.append(piece)
        at = end
    return "".join(parts)
