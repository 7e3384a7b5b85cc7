"""``minibuild du``: what takes how much room in the store."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.listing import listing
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.template_functions import Record
from minibuild.cli.units import human_size

_HEADINGS = {"Type": "TYPE", "Count": "COUNT", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "du", "Shows what takes how much room in the store, and how much of it prune would free.", "", most=0
    )
    words = f"table, json, or a Go template; fields: {', '.join(_HEADINGS)}"
    parser.add_argument("--format", metavar="FORM", default="", help=words)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Prints a table, or what was asked for."""
    from minibuild.build.pruning import usage
    from minibuild.sandbox.entering import enter_if_possible

    exact = arguments.format == "json"
    with session.store() as store:
        enter_if_possible()  # trees and caches have directories that are closed to us
        rows = [
            Record(
                {
                    "Type": one.kind,
                    "Count": one.count,
                    "Size": one.size if exact else human_size(one.size),
                    "Reclaimable": one.reclaimable if exact else human_size(one.reclaimable),
                }
            )
            for one in usage(store)
        ]
    session.output.write(listing(rows, arguments.format, _HEADINGS, list(_HEADINGS)))
    return 0
