"""``minibuild prune``: throws away what can be made again, what was of use longest ago first."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence

from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.units import human_size
from minibuild.errors import UnavailableError, UsageError, did_you_mean
from minibuild.instructions.notation import parse_duration, parse_size


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "prune",
        "Throws away what can be made or fetched again: cached steps, results without a name, cache mounts, downloads. "
        "Images with a name stay.",
        "",
        most=0,
    )
    add = parser.add_argument
    words = "only until the store takes no more than so much, such as 10GB, what was of use longest ago first"
    add("--keep-storage", metavar="SIZE", default="", help=words)
    add("--until", metavar="DURATION", default="", help="only what was of no use for so long, such as 72h")
    words = "only type=steps, results, mounts or downloads; until=DURATION; repeatable"
    add("--filter", action="append", default=[], metavar="KEY=VALUE", help=words)
    add("-a", "--all", action="store_true", help="accepted for docker's sake: all kinds go anyway")
    add("-f", "--force", action="store_true", help="accepted for docker's sake: nothing is asked")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Prints how much room was made."""
    from minibuild.build.pruning import prune
    from minibuild.sandbox.entering import enter_if_possible

    kinds, until = _filters(arguments.filter)
    until = arguments.until or until
    unused_since = time.time() - _seconds(until) if until else None
    with session.store() as store:
        enter_if_possible()  # trees and caches have files of other owners
        pruned = prune(store, keep=_size(arguments.keep_storage), unused_since=unused_since, kinds=kinds)
    if pruned.postponed:
        raise UnavailableError("a build is under way in this store", hint="wait until it has ended")
    session.print(f"{pruned.items} thrown away, {human_size(pruned.size)} freed")
    return 0


def _filters(words: Sequence[str]) -> tuple[frozenset[str], str]:
    """The kinds that may go, and the ``until``."""
    from minibuild.build.pruning import KINDS

    kinds: set[str] = set()
    until = ""
    for word in words:
        key, _, value = word.partition("=")
        if key == "until":
            until = value
        elif key != "type":
            raise UsageError(f"--filter {word!r} is no filter, wanted type=… or until=…")
        elif value not in KINDS:
            hint = did_you_mean(value, KINDS) or f"choose from {', '.join(KINDS)}"
            raise UsageError(f"--filter {word!r} is no type of what is kept", hint=hint)
        else:
            kinds.add(value)
    return frozenset(kinds or KINDS), until


def _size(word: str) -> int | None:
    if not word:
        return None
    size = parse_size(word)
    if size is None:
        raise UsageError(f"--keep-storage wants a size such as 10GB, got {word!r}")
    return size


def _seconds(word: str) -> float:
    duration = parse_duration(word)
    if duration is None or duration < 0:
        raise UsageError(f"--until wants a duration such as 72h, got {word!r}")
    return duration / 1e9
