"""What ``--help`` prints: of one command, and of all of them."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minibuild.cli import COMMANDS

if TYPE_CHECKING:
    from minibuild.cli.parser import Parser

_WIDTH = 100
_COLUMN = 34


def command_help(parser: Parser) -> str:
    """Usage, what the command does, and its options by group, at a fixed width."""
    usage = " ".join(part for part in (parser.prog, "[OPTIONS]", parser.operands) if part)
    parts = [f"usage: {usage}", textwrap.fill(parser.description or "", _WIDTH, break_on_hyphens=False)]
    own, everywhere, *others = parser._action_groups[1:]
    for group in (own, *others, everywhere):
        rows = [_row(action) for action in group._group_actions if action.help is not argparse.SUPPRESS]
        if rows:
            parts.append(f"{group.title}:\n" + "\n".join(rows))
    return "\n\n".join(parts) + "\n"


def overview() -> str:
    """What ``minibuild`` alone prints."""
    rows = _commands(COMMANDS)
    return "\n".join(
        [
            "usage: minibuild [--root DIR] [COMMAND] [OPTIONS] …",
            "",
            "Builds container images from Dockerfiles with no daemon. `minibuild .` builds this directory.",
            "",
            "commands:",
            *rows,
            "",
            "options:",
            "  --root DIR          where the store is (default: MINIBUILD_ROOT, else the user's data)",
            "  -D, --debug         show the traceback of an unexpected error",
            "  --version           show the version",
            "  -h, --help          show this help; `minibuild COMMAND --help` shows a command's",
            "",
        ]
    )


def group_help(name: str, line: str, commands: Mapping[str, tuple[str, str]]) -> str:
    """What the name of a group of commands alone prints."""
    parts = [f"usage: minibuild {name} COMMAND [OPTIONS] …", f"{line}.", "\n".join(["commands:", *_commands(commands)])]
    return "\n\n".join([*parts, f"`minibuild {name} COMMAND --help` shows a command's options."]) + "\n"


def _commands(commands: Mapping[str, tuple[str, str]]) -> list[str]:
    return [f"  {name:<10}{line}" for name, (_, line) in commands.items()]


def _row(action: argparse.Action) -> str:
    short = [option for option in action.option_strings if not option.startswith("--")]
    names = ", ".join(action.option_strings) if short else "    " + ", ".join(action.option_strings)
    head = f"  {names} {action.metavar or ''}".rstrip()
    wrapped = textwrap.wrap(action.help or "", _WIDTH - _COLUMN, break_on_hyphens=False)
    if len(head) >= _COLUMN - 1:
        return "\n".join([head, *(" " * _COLUMN + line for line in wrapped)])
    return textwrap.indent("\n".join(wrapped), " " * _COLUMN).replace(" " * _COLUMN, head.ljust(_COLUMN), 1)
