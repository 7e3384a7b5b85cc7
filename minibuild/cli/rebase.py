"""``minibuild rebase``: an image of the store on top of another base, without building it again."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from minibuild.cli.finding import find_any, find_image, image_for, made_anew, new_name, reference_of
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
    add_platform(add, "of several platforms only that one", default="all")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Refuses what may go wrong, unless it is forced; then it is told."""
    if not arguments.onto:
        raise UsageError("rebase wants the new base: --onto BASE", hint="see minibuild rebase --help")
    word, platform = arguments.operands[0], platform_of(arguments, session.environment)
    tags = list(map(new_name, arguments.tag))
    risky: list[str] = []
    with session.store() as store:

        def change(image: Image) -> Image:
            return _rebased(store, image, arguments, risky)

        result = made_anew(find_any(store, word), word, platform if arguments.platform else None, change)
        if risky and not arguments.force:
            hint = "build it anew, which is safe; or take it as it is with --force"
            raise ImageError.together([*map(ImageError, risky[:-1]), ImageError(risky[-1], hint=hint)])
        store.put_image(result)
        store.images.keep(result, tags)
    for risk in risky:
        session.note(f"note: {risk}")
    session.print(result.id)
    return 0


def _rebased(store: Store, image: Image, arguments: argparse.Namespace, risky: list[str]) -> Image:
    """One platform's image on the new base; what may be wrong with it goes to ``risky``."""
    from minibuild.build.rebasing import BASE_DIGEST, BASE_NAME, rebased, risks
    from minibuild.build.squashing import check_stands_on

    [word], onto, platform = arguments.operands, arguments.onto, image.config.platform
    bases = find_any(store, onto)
    new, old_word = image_for(bases, onto, platform), arguments.old or _base_of(store, image, word, onto)
    old = find_image(store, old_word, platform)
    check_stands_on(image, old, word, old_word)
    if new.config.platform != platform:
        raise ImageError(f"{word} is for {platform}, {onto} for {new.config.platform}")
    risky += dict.fromkeys(f"{word} {risk}" for risk in risks(image, old, new, store))
    reference = reference_of(onto)
    name = {BASE_NAME: str(reference)} if reference in store.images.names(bases) else {}
    return rebased(image, old, new).annotated({**name, BASE_DIGEST: new.digest})


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
