"""``minibuild squash``: an image of the store again, in one layer."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.finding import find_any, image_for, made_anew, new_name
from minibuild.cli.options import add_platform, platform_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.oci import Image


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "squash",
        "Makes one layer of an image's: what one has and a later one takes away is gone. The image is kept as it was, "
        "and the ID of the new one printed.",
        "IMAGE",
        least=1,
        most=1,
    )
    add = parser.add_argument
    add("-t", "--tag", action="append", default=[], metavar="NAME[:TAG]", help="name of the new image; repeatable")
    add("--from", dest="base", metavar="BASE", default="", help="keep the layers of this image, which IMAGE stands on")
    add_platform(add, "of several platforms only that one", default="all")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Works the new layer out on the tables of the old ones."""
    from minibuild.build.squashing import check_stands_on, squashed

    word, base, platform = arguments.operands[0], arguments.base, platform_of(arguments, session.environment)
    tags = list(map(new_name, arguments.tag))
    with session.store() as store:
        bases = find_any(store, base) if base else None

        def change(image: Image) -> Image:
            platform = image.config.platform
            below = image_for(bases, base, platform) if bases else Image.scratch(platform)
            check_stands_on(image, below, word, base)
            return squashed(image, [below], store)

        new = made_anew(find_any(store, word), word, platform if arguments.platform else None, change)
        store.put_image(new)
        store.images.keep(new, tags)
    session.print(new.id)
    return 0
