"""``minibuild save``: an image of the store as an archive that docker, podman and OCI tools read."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from minibuild.cli.display import choose
from minibuild.cli.exporting import Exports
from minibuild.cli.finding import find_any, image_for, reference_of
from minibuild.cli.options import add_platform, add_progress, platform_of
from minibuild.cli.outputs import STDOUT, Output, check_outputs
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.errors import UsageError
from minibuild.oci import Image, Platform, Reference

if TYPE_CHECKING:
    from minibuild.store import Store


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "save",
        "Writes an image to an archive that docker load and OCI tools read. Several names may be given of one image.",
        "IMAGE…",
        least=1,
        most=None,
    )
    add = parser.add_argument
    add("-o", "--output", metavar="FILE", default=STDOUT, help="the archive (default: standard output)")
    add_platform(add, "which of several platforms")
    add_progress(add, environment)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Writes the archive whole, or leaves what stood there before."""
    output = Output("docker", arguments.output or STDOUT)
    check_outputs([output], quiet=False, terminal=session.output.isatty())
    display = choose(arguments.progress, session.errors, session.environment)
    with session.store() as store, closing(display):
        image, names = _chosen(store, arguments.operands, platform_of(arguments, session.environment))
        Exports(store, display, session).export(output, image, names)
    return 0


def _chosen(store: Store, words: Sequence[str], platform: Platform) -> tuple[Image, list[Reference]]:
    found = {word: find_any(store, word) for word in words}
    images = {word: image_for(one, word, platform) for word, one in found.items()}
    first = images[words[0]]
    for word, image in images.items():
        if image != first:
            raise UsageError(
                f"{word} is another image than {words[0]}, and several in one archive are not supported yet",
                hint="save each into an archive of its own",
            )
    known = store.images.names(found[words[0]])
    return first, [name for name in map(reference_of, words) if name in known]
