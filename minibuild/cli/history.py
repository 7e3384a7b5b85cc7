"""``minibuild history``: the steps that made an image, newest first."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime

from minibuild.cli.display.text import visible
from minibuild.cli.finding import find_image
from minibuild.cli.listing import listing
from minibuild.cli.options import add_platform, platform_of
from minibuild.cli.parser import Parser, truth
from minibuild.cli.session import Session
from minibuild.cli.template_functions import Record
from minibuild.cli.times import parse_time, since
from minibuild.cli.units import human_size
from minibuild.oci import Image

_HEADINGS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
_SHOWN = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")
_COLUMN = 45


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser("history", "Shows the steps that made an image, newest first.", "IMAGE", least=1, most=1)
    add = parser.add_argument
    add("-q", "--quiet", action="store_true", help="print IDs alone; <missing> for steps that have none")
    add("--no-trunc", action="store_true", help="print whole IDs and commands")
    words = "sizes and times for people; --human=false: bytes and moments"
    add("-H", "--human", type=truth, nargs="?", const=True, default=True, metavar="", help=words)
    add_platform(add, "which of several platforms")
    add("--format", metavar="FORM", default="", help="table, json, or a Go template; fields: " + ", ".join(_HEADINGS))
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Lists the history of the image that was named."""
    with session.store() as store:
        image = find_image(store, arguments.operands[0], platform_of(arguments, session.environment))
    rows = _rows(image, datetime.now(UTC), whole=arguments.no_trunc, human=arguments.human)
    if arguments.quiet:
        session.output.write("".join(f"{row['ID']}\n" for row in rows))
        return 0
    session.output.write(listing(rows, arguments.format, _HEADINGS, _SHOWN))
    return 0


def _rows(image: Image, now: datetime, *, whole: bool, human: bool) -> list[Record]:
    sizes = [layer.descriptor.size for layer in image.layers]
    rows = []
    for line in image.config.history:
        size = 0 if line.empty_layer or not sizes else sizes.pop(0)
        created = parse_time(line.created)
        command = visible(line.created_by.replace("\t", " ").replace("\n", " "))
        rows.append(
            Record(
                {
                    "ID": "<missing>",
                    "CreatedSince": since(created, now) if human else line.created,
                    "CreatedAt": line.created,
                    "CreatedBy": command if whole or len(command) <= _COLUMN else command[: _COLUMN - 1] + "…",
                    "Size": human_size(size) if human else str(size),
                    "Comment": line.comment,
                }
            )
        )
    if rows:
        rows[-1]["ID"] = str(image.id) if whole else image.id.short
    return rows[::-1]
