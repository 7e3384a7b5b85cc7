"""``--cache-from``, ``--cache-to``, ``--cache-key-file``: caches that travel between machines."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from minibuild.cli.parser import Parser

if TYPE_CHECKING:
    from minibuild.build.travelling.wishes import Caches


def add_caches(parser: Parser) -> None:
    """Adds the options to a parser."""
    add = parser.add_argument_group("caches that travel").add_argument
    words = "take what other machines have made: NAME or type=registry,ref=NAME (an image built with type=inline will "
    add(
        "--cache-from",
        action="append",
        default=[],
        metavar="CACHE",
        help=words + "do), or type=local,src=DIR[,tag=TAG]; layers are fetched when they are needed; repeatable",
    )
    words = (
        "write what was made: NAME or type=registry,ref=NAME, type=local,dest=DIR[,tag=TAG], or type=inline into the "
    )
    more = "image; …,mode=max: of all stages (default: min); …,mounts=ID: cache mounts too; …,ignore-error=true; "
    add(
        "--cache-to",
        action="append",
        default=[],
        metavar="CACHE",
        help=f"{words}{more}repeatable",
    )
    words = "sign with the key in FILE what is written, and take nothing that isn't signed by it"
    add("--cache-key-file", metavar="FILE", default="", help=words)


def caches_of(arguments: argparse.Namespace) -> Caches:
    """What the options say; raises UsageError."""
    from minibuild.build.travelling.wishes import parse_caches

    return parse_caches(arguments.cache_from, arguments.cache_to, arguments.cache_key_file)
