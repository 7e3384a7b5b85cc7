"""``minibuild storage ls``: what was made for trees."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.units import human_size


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    return Parser("storage ls", "Shows the thin pool of devicemapper, if there is one.")


def execute(arguments: argparse.Namespace, session: Session) -> int:  # noqa: ARG001
    """Prints a line, or nothing."""
    from minibuild.snapshots.storage import describe, directory_of

    with session.store() as store:
        storage = describe(directory_of(store.root))
    if storage:
        state = storage.usage or f"can't be used: {storage.reason}"
        session.print(f"devicemapper  {storage.made_of}, trees of up to {human_size(storage.tree_size)}; {state}")
    return 0
