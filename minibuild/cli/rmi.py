"""``minibuild rmi``: names are taken away, and images that have none left."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from minibuild.cli.finding import find_any, reference_of
from minibuild.cli.parser import Parser
from minibuild.cli.rendering import paint, render, wants_colour
from minibuild.cli.session import Session
from minibuild.errors import ImageError, MinibuildError

if TYPE_CHECKING:
    from minibuild.oci import Reference
    from minibuild.store import Store


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "rmi",
        "Takes names away. An image whose last name it was goes too, and its blobs unless a cached step needs them.",
        "IMAGE…",
        least=1,
        most=None,
    )
    parser.add_argument(
        "-f",
        "--force",
        action="store_true",
        help="by ID: even an image of several names; and nothing is said of missing ones",
    )
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Removes each in turn; one that can't be removed doesn't keep the others, and decides the exit code."""
    status = 0
    with session.store() as store:
        for word in arguments.operands:
            try:
                for line in _remove(store, word, force=arguments.force):
                    session.print(line)
            except MinibuildError as error:
                if arguments.force and isinstance(error, ImageError):
                    continue
                session.note(paint(render(error), colour=wants_colour(session.errors, session.environment)))
                status = error.exit_code
        from minibuild.store.collect import collect

        collect(store)
    return status


def _remove(store: Store, word: str, *, force: bool) -> list[str]:
    image = find_any(store, word)
    reference = reference_of(word)
    names = store.images.names(image)
    if not names and image.digest not in {listed.digest for _, listed in store.images.listed()}:
        raise ImageError(f"image {word} is one of an index for several platforms", hint="remove the index, by its name")
    if reference in names:
        gone = [reference, *_pinned_by_it_alone(reference, names)]
        for name in gone:
            store.images.untag(name)
    elif len(names) > 1 and not force:
        called = ", ".join(name.familiar() for name in names)
        raise ImageError(f"image {word} has {len(names)} names: {called}", hint="remove it by name, or all with -f")
    else:
        store.images.remove(image)
        gone = list(names)
    lines = [f"Untagged: {name.familiar()}" for name in gone]
    return lines if store.images.names(image) else [*lines, f"Deleted: {image.id}"]


def _pinned_by_it_alone(reference: Reference, names: Sequence[Reference]) -> list[Reference]:
    """The names by digest in a repository that loses its last tag: as with docker, they go with it."""
    siblings = [name for name in names if name.name == reference.name and name != reference]
    return siblings if not reference.is_pinned and all(name.is_pinned for name in siblings) else []
