"""``--attest``, ``--sbom``, ``--provenance``: what results are to have beside them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from minibuild.cli.options import Add

if TYPE_CHECKING:
    from minibuild.build.attesting.wishes import Attestations


def add_attestations(add: Add) -> None:
    """Adds the options to a group of a parser's."""
    words = "say beside the result, in its index, which packages it holds (the same as --attest type=sbom)"
    add("--sbom", action="append", nargs="?", const="true", default=[], metavar="true|false", help=words)
    words = (
        "say beside the result how it was made (--attest type=provenance): the base images and what else it was made "
        "of; mode=max: also build arguments, the Dockerfile, its steps, and when; builder-id=URI: who builds"
    )
    add(
        "--provenance",
        action="append",
        nargs="?",
        const="true",
        default=[],
        metavar="true|false|mode=min|mode=max",
        help=words,
    )
    words = "type=sbom or type=provenance[,mode=…][,builder-id=URI]; repeatable"
    add("--attest", action="append", default=[], metavar="type=TYPE", help=words)


def attestations_of(arguments: argparse.Namespace) -> Attestations:
    """What the options say; raises UsageError."""
    from minibuild.build.attesting.wishes import parse_attestations

    short = [("sbom", word) for word in arguments.sbom[-1:]]
    short += [("provenance", word) for word in arguments.provenance[-1:]]
    return parse_attestations([*arguments.attest, *(_in_full(kind, word) for kind, word in short)])


def _in_full(kind: str, word: str) -> str:
    """``true``, ``false`` or attributes as ``--attest`` has them."""
    match word.lower():
        case "true" | "1":
            return f"type={kind}"
        case "false" | "0":
            return f"type={kind},disabled=true"
        case _:
            return f"type={kind},{word}"
