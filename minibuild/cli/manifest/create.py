"""``minibuild manifest create``: one name for images of several platforms that were built apart."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.display.text import visible
from minibuild.cli.manifest.lists import PLACES, index_of, name_of, sources
from minibuild.cli.options import add_mirrors
from minibuild.cli.parser import Pairs, Parser
from minibuild.cli.session import Session
from minibuild.oci.joining import amended, join


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "manifest create",
        "Makes an index of images for several platforms, named LIST in the store, where what had the name loses it; of "
        f"an IMAGE that is an index itself it takes all of them. IMAGE is {PLACES}. No layer is fetched.",
        "LIST IMAGE…",
        least=2,
        most=None,
    )
    add = parser.add_argument
    words = "keep what LIST has already; an image for the same platform is replaced"
    add("-a", "--amend", action="store_true", help=words)
    add("--annotation", action=Pairs, metavar="KEY=VALUE", help="what the index says of itself; repeatable")
    add_mirrors(add)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Makes the index, prints its digest, and tells what it has."""
    word, *images = arguments.operands
    name = name_of(word)
    with sources(arguments, session) as found:
        wanted = {image: found.find(image) for image in images}
        if arguments.amend:
            index = amended(index_of(found.store, name), wanted, arguments.annotation)
        else:
            index = join(wanted, arguments.annotation)
        found.store.put_image(index)
        found.store.images.tag(name, index)
    for item in index.manifests:
        session.note(f"{visible(str(item.platform or 'no platform'))}  {item.digest}")
    session.print(index.digest)
    return 0
