"""``minibuild storage rm``: a thin pool goes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.storage.kinds import check_kind


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    words = (
        "Takes the thin pool of devicemapper away, and all trees in it; images and cached steps stay. A pool that was "
        "given is emptied."
    )
    return Parser("storage rm", words, "devicemapper", least=1, most=1)


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Removes it, unless it is in use."""
    from minibuild.snapshots.storage import directory_of, remove

    check_kind(arguments.operands[0])
    with session.store() as store:
        remove(directory_of(store.root))
    return 0
