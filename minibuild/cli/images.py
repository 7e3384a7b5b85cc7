"""``minibuild images``: what is in the store, newest first."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from minibuild.cli.image_filters import FILTERS, Named, created, passing
from minibuild.cli.listing import listing
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.template_functions import Record
from minibuild.cli.times import parse_time, since
from minibuild.cli.units import human_size
from minibuild.oci import AnyImage, ImageIndex

_HEADINGS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Platforms": "PLATFORMS",
}
_NONE = "<none>"


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser("images", "Lists the images in the store, newest first.", "[REFERENCE]", most=1)
    add = parser.add_argument
    add(
        "-f",
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"{', '.join(FILTERS.values())}; repeatable",
    )
    add("-q", "--quiet", action="store_true", help="print IDs alone")
    add("--no-trunc", action="store_true", help="print whole IDs")
    add("--digests", action="store_true", help="show digests of manifests")
    add("-a", "--all", action="store_true", help="accepted for docker's sake: all are listed anyway")
    add("--format", metavar="FORM", default="", help="table, json, or a Go template; fields: " + ", ".join(_HEADINGS))
    add("--json", action="store_true", help="the same as --format json")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Lists what the filters let through."""
    words = [*arguments.filter, *(f"reference={word}" for word in arguments.operands)]
    with session.store() as store:
        passes = passing(words, store)
        found = [named for named in store.images.listed() if passes(named)]
    found.sort(key=lambda named: created(named[1]), reverse=True)
    now = datetime.now(UTC)
    rows = [_row(named, now, whole=arguments.no_trunc) for named in found]
    if arguments.quiet:
        ids = dict.fromkeys(str(row["ID"]) for row in rows)
        session.output.write("".join(f"{identity}\n" for identity in ids))
        return 0
    shown = ["Repository", "Tag", *(["Digest"] if arguments.digests else []), "ID", "CreatedSince", "Size"]
    shown += ["Platforms"] if any(isinstance(image, ImageIndex) for _, image in found) else []
    session.output.write(listing(rows, "json" if arguments.json else arguments.format, _HEADINGS, shown))
    return 0


def _row(named: Named, now: datetime, *, whole: bool) -> Record:
    reference, image = named
    familiar = reference.with_tag("").familiar() if reference else _NONE
    moment = parse_time(created(image))
    return Record(
        {
            "Repository": familiar,
            "Tag": (reference.tag if reference else "") or _NONE,
            "Digest": str(image.digest),
            "ID": str(image.id) if whole else image.id.short,
            "CreatedSince": since(moment, now),
            "CreatedAt": moment.strftime("%Y-%m-%d %H:%M:%S %z UTC") if moment else "N/A",
            "Size": human_size(image.size),
            "Platforms": ", ".join(_platforms(image)),
        }
    )


def _platforms(image: AnyImage) -> Sequence[str]:
    return image.platforms if isinstance(image, ImageIndex) else (str(image.config.platform),)
