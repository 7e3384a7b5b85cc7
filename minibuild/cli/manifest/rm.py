"""``minibuild manifest rm``: indices of the store go, as ``rmi`` lets images go."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli import rmi
from minibuild.cli.manifest.lists import index_of, name_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    words = "Takes the names of indices away; images that have names of their own stay."
    return Parser("manifest rm", words, "LIST…", least=1, most=None)


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Removes all of them, or where one is no index, none."""
    with session.store() as store:
        for word in arguments.operands:
            index_of(store, name_of(word))
    return rmi.execute(argparse.Namespace(operands=arguments.operands, force=False), session)
