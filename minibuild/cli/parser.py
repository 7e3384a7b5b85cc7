"""One command's grammar: argparse's options, read Docker's way, refused in our own words.

argparse keeps the table of options and turns their values into Python's; the words themselves are sorted here, because
pflag (Docker's parser) takes options after operands, ``--flag=false`` and ``-t=x``, and stops at the image in ``run``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from minibuild.errors import UsageError, did_you_mean

_TRUTHS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}


class Parser(argparse.ArgumentParser):
    """The options and operands of ``minibuild <command>``.

    ``operands`` is how usage shows them, ``least`` and ``most`` how many there may be (``most`` None: any number).
    ``stops``: options after the first operand belong to somebody else (``run IMAGE COMMAND``).
    """

    def __init__(self, command: str, description: str, operands: str = "", *, least: int = 0, most: int | None = 0):
        super().__init__(
            prog=f"minibuild {command}",
            description=description,
            formatter_class=_Formatter,
            add_help=False,
            allow_abbrev=False,
        )
        self.command, self.operands, self.least, self.most = command, operands, least, most
        self.stops = False
        everywhere = self.add_argument_group("options of every command")
        everywhere.add_argument(
            "--root", metavar="DIR", help="where the store is (default: MINIBUILD_ROOT, else the user's data)"
        )
        everywhere.add_argument("-D", "--debug", action="store_true", help="show the traceback of an unexpected error")
        everywhere.add_argument("-h", "--help", action="store_true", help="show this help")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """The values of these words, operands in ``operands``; raises UsageError for what can't be taken."""
        options, operands = self._sort(words)
        arguments = self.parse_args(options)
        arguments.operands = tuple(operands)
        if not arguments.help:
            self._count(operands)
        return arguments

    def format_help(self) -> str:
        """Our own layout: the same whatever version of Python draws it."""
        from minibuild.cli.help import command_help

        return command_help(self)

    def error(self, message: str) -> NoReturn:
        """argparse's own complaints, should one come through; ours are raised where they are found."""
        raise UsageError(message, hint=self._hint)

    @property
    def _hint(self) -> str:
        return f"see {self.prog} --help"

    def _count(self, operands: Sequence[str]) -> None:
        wanted = self.operands or "no operand"
        if len(operands) < self.least:
            raise UsageError(f"{self.command} wants {wanted}, got {_listed(operands)}", hint=self._hint)
        if self.most is not None and len(operands) > self.most:
            raise UsageError(f"{self.command} wants {wanted}, got {_listed(operands)}", hint=self._hint)

    def _sort(self, words: Sequence[str]) -> tuple[list[str], list[str]]:
        options: list[str] = []
        operands: list[str] = []
        rest = iter(words)
        for word in rest:
            if word == "--":
                operands += rest
            elif word == "-" or not word.startswith("-"):
                operands.append(word)
                if self.stops:
                    operands += rest
            elif word.startswith("--"):
                self._take_long(word, rest, options)
            else:
                self._take_short(word, rest, options)
        return options, operands

    def _take_long(self, word: str, rest: Iterator[str], options: list[str]) -> None:
        name, equals, value = word.partition("=")
        action = self._option(name)
        if action.nargs == 0:
            _switch(action.option_strings[-1], _named_truth(name, value) if equals else True, options)
        elif equals or action.nargs == "?":
            options.append(word)
        else:
            options.append(f"{name}={self._value(name, action, rest)}")

    def _take_short(self, word: str, rest: Iterator[str], options: list[str]) -> None:
        for place, letter in enumerate(word[1:], start=2):
            action = self._option(f"-{letter}")
            if action.nargs in (0, "?"):
                _switch(action.option_strings[-1], True, options)
                continue
            value = word[place:].removeprefix("=") or self._value(f"-{letter}", action, rest)
            options.append(f"{action.option_strings[-1]}={value}")
            return

    def _option(self, name: str) -> argparse.Action:
        action = self._option_string_actions.get(name)
        if action is None:
            shown = [action for action in self._actions if action.help is not argparse.SUPPRESS]
            known = [option for action in shown for option in action.option_strings if option.startswith("--")]
            near = did_you_mean(name, known) if name.startswith("--") else ""
            raise UsageError(f"{name} is no option of {self.prog}", hint=near or self._hint)
        return action

    def _value(self, name: str, action: argparse.Action, rest: Iterator[str]) -> str:
        value = next(rest, None)
        if value is None:
            raise UsageError(f"{name} wants a value: {action.metavar or 'VALUE'}", hint=self._hint)
        return value


class _Formatter(argparse.HelpFormatter):
    """What argparse makes for each option that it is given, and this package never shows: of a fixed width, since it
    would ask for the terminal's each time.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class Refused(argparse.Action):
    """An option that Docker has and this version hasn't: an error, with what to do instead, never ignored."""

    def __init__(self, option_strings: Sequence[str], dest: str, instead: str = "", **others: Any) -> None:
        super().__init__(option_strings, dest, help=argparse.SUPPRESS, default=argparse.SUPPRESS, **others)
        self.instead = instead

    def __call__(self, _parser: object, _namespace: object, _values: object, option: str | None = None) -> None:
        raise UsageError(f"{option} is not supported yet", hint=self.instead)


class RefusedUnless(Refused):
    """An option of which only some values say what is done anyway; the others are refused."""

    def __init__(self, option_strings: Sequence[str], dest: str, fine: Sequence[str] = (), **others: Any) -> None:
        super().__init__(option_strings, dest, **others)
        self.fine = fine

    def __call__(self, _parser: object, _namespace: object, values: object, option: str | None = None) -> None:
        if values not in self.fine:
            word = f"{option}={values}" if values else str(option)
            raise UsageError(f"{word} is not supported yet", hint=self.instead)


class Noted(argparse.Action):
    """An option that Docker accepts and that changes nothing here: taken, and said so (``notes``)."""

    def __init__(self, option_strings: Sequence[str], dest: str, reason: str = "", **others: Any) -> None:
        super().__init__(option_strings, dest, help=argparse.SUPPRESS, default=argparse.SUPPRESS, **others)
        self.reason = reason

    def __call__(self, _parser: object, namespace: Any, _values: object, option: str | None = None) -> None:
        notes = (*getattr(namespace, "notes", ()), f"{option} has no effect: {self.reason}")
        namespace.notes = tuple(dict.fromkeys(notes))


class Pairs(argparse.Action):
    """``--label key=value``, repeatable, the last of a key winning; ``--build-arg KEY`` asks ``missing`` for its value.

    ``missing`` answers the value of a bare key, or None to leave it out; without it no key may be bare.
    """

    def __init__(
        self,
        option_strings: Sequence[str],
        dest: str,
        missing: Callable[[str], str | None] | None = None,
        **others: Any,
    ) -> None:
        super().__init__(option_strings, dest, default={}, **others)
        self.missing = missing

    def __call__(self, _parser: object, namespace: Any, values: Any, option: str | None = None) -> None:
        key, equals, value = str(values).partition("=")
        if not key or not (equals or self.missing):
            raise UsageError(f"{option} wants {self.metavar}, got {values!r}")
        found = value if equals or self.missing is None else self.missing(key)
        known = getattr(namespace, self.dest)
        setattr(namespace, self.dest, known if found is None else {**known, key: found})


def _switch(name: str, value: bool, options: list[str]) -> None:
    options[:] = [option for option in options if option != name]
    if value:
        options.append(name)


def truth(word: str) -> bool:
    """``true`` or ``false``, as pflag spells them; raises UsageError for anything else."""
    if word.lower() not in _TRUTHS:
        raise UsageError(f"{word!r} is neither true nor false")
    return _TRUTHS[word.lower()]


def _named_truth(name: str, word: str) -> bool:
    try:
        return truth(word)
    except UsageError as error:
        raise UsageError(f"{name} wants true or false, got {word!r}") from error


def _listed(operands: Sequence[str]) -> str:
    return " ".join(map(repr, operands)) if operands else "nothing"
