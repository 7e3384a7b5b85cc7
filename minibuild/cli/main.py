"""Arguments → a command → an exit code; whatever goes wrong is rendered here, once."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from minibuild.cli import COMMANDS, DEFAULT_COMMAND
from minibuild.errors import MinibuildError, UsageError
from minibuild.version import __version__

if TYPE_CHECKING:
    from minibuild.cli.session import Session

INTERRUPTED = 130
BROKEN_PIPE = 141


class Call(NamedTuple):
    """A command line, cut: the command, its words, and what stood before it. ``command`` "" asks for the overview."""

    command: str
    words: tuple[str, ...]
    root: str | None = None
    debug: bool = False


def run(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> int:
    """Runs a command line to its end and answers its exit code: the command's, or the error's own."""
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # names that aren't UTF-8
        status = _run(call_of(words), environment)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read us has gone; Python would complain once more while it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except KeyboardInterrupt as interrupt:
        sys.stderr.write("interrupted\n")
        return getattr(interrupt, "exit_code", INTERRUPTED)
    except Exception as error:
        return _report(error, environment)


def call_of(words: Sequence[str]) -> Call:
    """Cuts a command line at its command; without one it is a build. Raises UsageError."""
    rest, root, debug = list(words), None, False
    while rest and rest[0].startswith("-"):
        name, equals, value = rest[0].partition("=")
        if name == "--root":
            if not equals and len(rest) < 2:
                raise UsageError("--root wants a value: DIR", hint="see minibuild --help")
            root = value if equals else rest[1]
            del rest[: 1 if equals else 2]
        elif rest[0] in ("-D", "--debug"):
            debug = True
            del rest[0]
        elif rest[0] in ("--version", "-v"):
            return Call("version", (), root, debug)
        elif rest[0] in ("-h", "--help"):
            return Call("", (), root, debug)
        else:
            break
    if not rest:
        return Call("", (), root, debug)
    if rest[0] == "help":
        return Call(rest[1], (*rest[2:], "--help"), root, debug) if rest[1:2] and rest[1] in COMMANDS else Call("", ())
    if rest[0] in COMMANDS:
        return Call(rest[0], tuple(rest[1:]), root, debug)
    return Call(DEFAULT_COMMAND, tuple(rest), root, debug)


def _run(call: Call, environment: Mapping[str, str]) -> int:
    if call.command == "version" and not call.words:
        print(f"minibuild {__version__}")
        return 0
    if not call.command:
        from minibuild.cli.help import overview

        print(overview(), end="")
        return 0
    from importlib import import_module

    # What a build makes, 50,000 entries say, it keeps to its end: looking through all that for garbage, again and again
    # as it grows, took a quarter of the time.
    gc.set_threshold(200_000, 50, 1000)
    command, words = import_module(f"minibuild.cli.{COMMANDS[call.command][0]}"), call.words
    if hasattr(command, "GROUP"):
        own = command.GROUP
        if not words or words[0] in ("-h", "--help"):
            from minibuild.cli.help import group_help

            print(group_help(call.command, COMMANDS[call.command][1], own), end="")
            return 0
        command, words = import_module(f"{command.__name__}.{_found(words[0], call.command, own)}"), words[1:]
    parser = command.parser(environment)
    arguments = parser.read(words)
    if arguments.help:
        print(parser.format_help(), end="")
        return 0
    from minibuild.cli.signals import raising

    try:
        with raising():
            return int(command.execute(arguments, _session(arguments.root or call.root, environment)))
    except Exception:
        if arguments.debug or call.debug:
            import traceback

            traceback.print_exc()
        raise


def _found(word: str, group: str, commands: Mapping[str, tuple[str, str]]) -> str:
    """The module of one of a group's commands; raises UsageError where there is none."""
    if word not in commands:
        from minibuild.errors import did_you_mean

        hint = did_you_mean(word, list(commands)) or f"choose from {', '.join(commands)}"
        raise UsageError(f"minibuild {group} has no command {word!r}", hint=hint)
    return commands[word][0]


def _session(root: str | None, environment: Mapping[str, str]) -> Session:
    from minibuild.cli.session import Session, store_root

    return Session(store_root(root, environment), environment, sys.stdout, sys.stderr)


def _report(error: Exception, environment: Mapping[str, str]) -> int:
    from minibuild.cli.rendering import paint, render, wants_colour

    sys.stderr.write(paint(render(error), colour=wants_colour(sys.stderr, environment)) + "\n")
    return error.exit_code if isinstance(error, MinibuildError) else 1
