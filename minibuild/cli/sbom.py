"""``minibuild sbom``: which packages an image holds, as an SPDX document or as a table."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minibuild.cli.display import choose
from minibuild.cli.display.text import columns, visible
from minibuild.cli.operands import PLACES, operands
from minibuild.cli.options import add_mirrors, add_platform, add_progress, mirrors_of, platform_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.signals import interruptible
from minibuild.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from minibuild.cli.operands import Operands
    from minibuild.inventory import Inventory
    from minibuild.oci import AnyImage, Image
    from minibuild.store import Store

FORMATS = ("spdx-json", "table")


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "sbom",
        f"Tells which packages an image holds, read out of its layers; it is not run. IMAGE is {PLACES}.",
        "IMAGE",
        least=1,
        most=1,
    )
    add = parser.add_argument
    add("-o", "--output", metavar="FILE", default="-", help="the document (default: standard output)")
    words = "SPDX 2.3 as JSON, or rows for people (default: spdx-json)"
    add("--format", metavar="|".join(FORMATS), default=FORMATS[0], help=words)
    add(
        "--fresh",
        action="store_true",
        help="read the layers even if the image has an SBOM attached, which is shown else",
    )
    add_platform(add, "which of several platforms")
    add_progress(add, environment)
    add_mirrors(add)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Writes what is found; what can't be read is said on standard error."""
    if arguments.format not in FORMATS:
        hint = did_you_mean(arguments.format, FORMATS) or f"choose from {', '.join(FORMATS)}"
        raise UsageError(f"--format knows no {arguments.format!r}", hint=hint)
    from minibuild.cli.finding import image_for
    from minibuild.inventory.spdx import Subject, document, encode
    from minibuild.inventory.taking import inventory_of

    [word] = arguments.operands
    platform, mirrors = platform_of(arguments, session.environment), mirrors_of(arguments, session.environment)
    display = choose(arguments.progress, session.errors, session.environment)
    with (
        session.store() as store,
        closing(display),
        interruptible() as cancellation,
        operands(store, platform, session.environment, mirrors, cancellation, display) as opened,
    ):
        found, home = opened.open(word)
        image = image_for(found, word, platform)
        shows_attached = not arguments.fresh and arguments.format == "spdx-json"
        known = _attached(word, found, image, opened, home) if shows_attached else None
        if known is not None:
            _write(encode(known), arguments.output, session)
            return 0
        home.fetch(layer.descriptor for layer in image.layers)
        inventory = inventory_of(image, home)
    for unread in inventory.unread:
        session.note(f"warning: {visible(unread.path)} isn't read: {visible(unread.reason)}")
    if arguments.format == "table":
        _write(table(inventory).encode(), arguments.output, session)
    else:
        _write(encode(document(inventory, Subject.of(image, word))), arguments.output, session)
    return 0


def table(inventory: Inventory) -> str:
    """A row a package, by name."""
    rows = [("NAME", "VERSION", "TYPE", "LICENCE")]
    rows += sorted((p.name, p.version, p.kind, p.licence) for p in inventory.packages)
    cells = [[visible(" ".join(cell.split())) for cell in row] for row in rows]
    widths = [max(map(columns, column)) + 3 for column in zip(*cells, strict=True)]
    lines = (
        "".join(cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)) for row in cells
    )
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _attached(word: str, found: AnyImage, image: Image, opened: Operands, home: Store) -> dict[str, Any] | None:
    """The SPDX document that whoever built an image attached to it; None: nobody did."""
    from minibuild.build.attesting.reading import published, stored
    from minibuild.oci import Reference
    from minibuild.oci.attestation import SPDX
    from minibuild.registry.endpoints import parse_mirrors
    from minibuild.transports import SOURCES
    from minibuild.transports.registry import Registry

    if home is opened.store or word.partition(":")[0] in SOURCES:
        return stored(found, image, SPDX, home)
    with Registry(parse_mirrors(opened.registries.mirrors), opened.environment) as registry:
        return published(Reference.parse(word.removeprefix("docker-image://")), image, SPDX, registry)


def _write(content: bytes, output: str, session: Session) -> None:
    if output in ("", "-"):
        session.output.write(content.decode())
        return
    from minibuild.transports.outfile import written

    with written(Path(output)) as sink:
        sink.write(content)
