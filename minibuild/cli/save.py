"""``minibuild save``: an image of the store as an archive that docker, podman and OCI tools read."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import chain
from typing import TYPE_CHECKING

from minibuild.cli.display import choose
from minibuild.cli.exporting import Exports
from minibuild.cli.finding import find_any, image_for, reference_of
from minibuild.cli.options import add_platform, add_progress, platform_of
from minibuild.cli.outputs import STDOUT, Output, check_outputs
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.oci import AnyImage, Digest, Platform, Reference

if TYPE_CHECKING:
    from minibuild.store import Store


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "save",
        "Writes images to an archive that docker load and OCI tools read; what they have in common is in it once. A "
        "name without a tag means all tags that it has.",
        "IMAGE…",
        least=1,
        most=None,
    )
    add = parser.add_argument
    add("-o", "--output", metavar="FILE", default=STDOUT, help="the archive (default: standard output)")
    add_platform(add, "of several platforms only that one", default="all, and for docker load this machine's")
    add_progress(add, environment)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Writes the archive whole, or leaves what stood there before."""
    output = Output("docker", arguments.output or STDOUT)
    check_outputs([output], quiet=False, terminal=session.output.isatty())
    display = choose(arguments.progress, session.errors, session.environment)
    with session.store() as store, closing(display):
        platform = platform_of(arguments, session.environment)
        named = _chosen(store, arguments.operands, platform if arguments.platform else None)
        Exports(store, display, session).archive(output, named, platform)
    return 0


def _chosen(store: Store, words: Sequence[str], platform: Platform | None) -> list[tuple[AnyImage, list[Reference]]]:
    """Each image, or index, once, with those of its names that were said, in the order in which they were."""
    chosen: dict[Digest, tuple[AnyImage, list[Reference]]] = {}
    for word in chain.from_iterable(_tagged(store, said) for said in words):
        found = find_any(store, word)
        _, names = chosen.setdefault(found.digest, (image_for(found, word, platform) if platform else found, []))
        name = reference_of(word)
        if name in store.images.names(found) and name not in names:
            names.append(name)
    return list(chosen.values())


def _tagged(store: Store, word: str) -> Sequence[str]:
    """The names with their tags that a bare name means, as with docker; any other word as it is."""
    reference = reference_of(word)
    if reference is None or reference.digest or ":" in word.rpartition("/")[2]:
        return [word]
    return [str(name) for name, _ in store.images.listed() if name and name.name == reference.name and name.tag] or [
        word
    ]
