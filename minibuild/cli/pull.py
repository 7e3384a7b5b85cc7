"""``minibuild pull``: an image of a registry, whole, in the store."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing

from minibuild.cli.display import choose
from minibuild.cli.options import add_mirrors, add_platform, add_progress, mirrors_of, platform_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.signals import interruptible
from minibuild.oci import Reference


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser("pull", "Fetches an image from a registry into the store.", "NAME[:TAG|@DIGEST]", least=1, most=1)
    add = parser.add_argument
    add_platform(add, "which of several")
    add_progress(add, environment)
    add("-q", "--quiet", action="store_true", help="show nothing but the name")
    add_mirrors(add)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Asks the registry, even where the store has the name, and fetches the layers that are missing."""
    reference = Reference.parse(arguments.operands[0])
    platform = platform_of(arguments, session.environment)
    mirrors = mirrors_of(arguments, session.environment)
    display = choose("quiet" if arguments.quiet else arguments.progress, session.errors, session.environment)
    from minibuild.build.bases import Bases
    from minibuild.build.journal import Journal
    from minibuild.build.supplying import Supply

    with session.store() as store, closing(display), interruptible() as cancellation:
        journal = Journal(display)
        store.supplier = Supply(store, journal, cancellation, mirrors, session.environment)
        image = Bases(store, journal, cancellation, mirrors, session.environment, pull=True).lookup(
            str(reference), platform
        )
        store.fetch(layer.descriptor for layer in image.layers)
    if not arguments.quiet:
        session.note(f"digest  {image.digest}\nimage   {image.id}")
    session.print(str(reference))
    return 0
