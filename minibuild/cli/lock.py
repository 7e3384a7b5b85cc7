"""``minibuild lock``: writes down, beside a Dockerfile, what the names in it stand for now."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing

from minibuild.cli.build import asked_of
from minibuild.cli.build_options import add_input
from minibuild.cli.display import choose
from minibuild.cli.locking import add_lock_file, lock_place
from minibuild.cli.options import add_mirrors, add_progress
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.signals import interruptible
from minibuild.cli.surroundings import add_surroundings
from minibuild.cli.writing import write_whole


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command: the options of ``build`` that names depend on."""
    parser = Parser(
        "lock",
        "Writes minibuild.lock beside the Dockerfile of CONTEXT: the digests of all images that it names, in whatever "
        "stage, the checksums of what it downloads and the commits of repositories, as they are now. `minibuild build "
        "--locked` takes these and nothing else.",
        "[CONTEXT]",
        most=1,
    )
    add = parser.add_argument
    add("--check", action="store_true", help="write nothing; tell what is otherwise now, and end with 1 if anything is")
    add_lock_file(add)
    add_input(parser, environment)
    add = parser.add_argument_group("how to look").add_argument
    add("--pull", action="store_true", default=True, help=argparse.SUPPRESS)
    add_mirrors(add)
    add_progress(add, environment)
    add_surroundings(parser)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Looks, and writes or compares."""
    from minibuild.build.journal import Journal
    from minibuild.build.locking.lock import Lock
    from minibuild.build.locking.locking import locked

    request = asked_of(arguments, session.environment)
    place = lock_place(request.context, request.dockerfile, arguments.lock_file)
    before = Lock.read(place) if arguments.check or place.exists() else Lock(str(place), {})
    display = choose(arguments.progress, session.errors, session.environment)
    with session.store() as store, closing(display), interruptible() as cancellation:
        found = locked(request, store, Journal(display), cancellation, str(place))
    differences = list(before.differences(found))
    if not arguments.check:
        write_whole(place, found.encode())
    for sentence in differences if arguments.check else ():
        session.note(f"{place}: {sentence}")
    return 1 if arguments.check and differences else 0
