"""``minibuild rebase``: an image of the store on top of another base, without building it again."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minibuild.cli.finding import find_image, new_name, reference_of
from minibuild.cli.options import add_platform, platform_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.errors import ImageError, UsageError
from minibuild.oci import Image

if TYPE_CHECKING:
    from minibuild.store import Store


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "rebase",
        "Puts what an image has on top of its base on top of another one, and prints the ID of what comes out. Both "
        "bases are in the store; no layer is made anew, and of the configuration the image keeps what it said itself.",
        "IMAGE",
        least=1,
        most=1,
    )
    add = parser.add_argument
    add("--onto", metavar="BASE", default="", help="the new base, such as debian:12 after minibuild pull debian:12")
    words = "the old base (default: what IMAGE says, else the image of the new one's repository that IMAGE begins with)"
    add("--from", dest="old", metavar="BASE", default="", help=words)
    add("-t", "--tag", action="append", default=[], metavar="NAME[:TAG]", help="name of the new image; repeatable")
    add("--force", action="store_true", help="even where the image's files hide what the new base changed")
    add_platform(add, "which of several platforms")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Refuses what may go wrong, unless it is forced; then it is told."""
    from minibuild.build.rebasing import BASE_DIGEST, BASE_NAME, rebased, risks
    from minibuild.build.squashing import check_stands_on

    if not arguments.onto:
        raise UsageError("rebase wants the new base: --onto BASE", hint="see minibuild rebase --help")
    [word], platform = arguments.operands, platform_of(arguments, session.environment)
    tags = list(map(new_name, arguments.tag))
    with session.store() as store:
        image, new = find_image(store, word, platform), find_image(store, arguments.onto, platform)
        old_word = arguments.old or _base_of(store, image, word, arguments.onto)
        old = find_image(store, old_word, platform)
        check_stands_on(image, old, word, old_word)
        if image.config.platform != new.config.platform:
            raise ImageError(f"{word} is for {image.config.platform}, {arguments.onto} for {new.config.platform}")
        found = [f"{word} {risk}" for risk in risks(image, old, new, store)]
        if found and not arguments.force:
            hint = "build it anew, which is safe; or take it as it is with --force"
            raise ImageError.together([*map(ImageError, found[:-1]), ImageError(found[-1], hint=hint)])
        reference = reference_of(arguments.onto)
        name = {BASE_NAME: str(reference)} if reference in store.images.names(new) else {}
        result = rebased(image, old, new).annotated({**name, BASE_DIGEST: new.digest})
        store.put_image(result)
        store.images.keep(result, tags)
    for risk in found:
        session.note(f"note: {risk}")
    session.print(result.id)
    return 0


def _base_of(store: Store, image: Image, word: str, onto: str) -> str:
    """The old base: the one that the image's annotations name, else of what the store has of the new one's repository
    the image that this one begins with most layers of.
    """
    from minibuild.build.rebasing import BASE_DIGEST, BASE_NAME

    digest, name = (image.annotations.get(key, "") for key in (BASE_DIGEST, BASE_NAME))
    if digest and store.images.by_id(digest):
        return digest
    new, own = reference_of(onto), image.config.diff_ids
    siblings = [one for called, one in store.images.list() if called and new and called.name == new.name]
    found = [one for one in siblings if own[: len(one.layers)] == one.config.diff_ids and one.id != image.id]
    if found:
        return max(found, key=lambda one: len(one.layers)).digest
    said = reference_of(name)
    if digest and said:
        pinned = said.with_digest(digest).familiar()
        raise ImageError(f"{word} is based on {pinned}, which isn't in the store", hint=f"minibuild pull {pinned}")
    raise ImageError(f"nothing says what {word} is based on", hint="say it: --from BASE, which the store must have")
