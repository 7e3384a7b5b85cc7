"""``minibuild manifest push``: an index to a registry, as ``push`` does it, and under another name if need be."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli import push
from minibuild.cli.manifest.lists import index_of, name_of
from minibuild.cli.options import add_progress
from minibuild.cli.parser import Noted, Parser
from minibuild.cli.session import Session


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "manifest push",
        "Puts an index into the registry of its name, or of NAME, with all its images and their layers; what the "
        "registry has already is taken over there.",
        "LIST [NAME]",
        least=1,
        most=2,
    )
    add = parser.add_argument
    push.add_forms(add)
    add("-p", "--purge", "--rm", action="store_true", help="remove LIST from the store afterwards")
    add("--all", action=Noted, nargs=0, reason="all its images always go along")
    add_progress(add, environment)
    add("-q", "--quiet", action="store_true", help="show nothing but the name with its digest")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Pushes, and prints the name with the digest that it has in its registry."""
    name, *others = (name_of(word.removeprefix("docker://")) for word in arguments.operands)
    for note in getattr(arguments, "notes", ()):
        session.note(f"note: {note}")
    with session.store() as store:
        index = index_of(store, name)
        push.push({(others or [name])[0]: index}, arguments, store, session)
        if arguments.purge:
            from minibuild.store.collect import collect

            store.images.untag(name)
            collect(store)
    return 0
