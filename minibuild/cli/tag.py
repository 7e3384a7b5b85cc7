"""``minibuild tag``: one more name for an image."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.finding import find_any, new_name
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    return Parser("tag", "Gives an image one more name.", "IMAGE NAME[:TAG]", least=2, most=2)


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Names the image; who had the name loses it."""
    word, new = arguments.operands
    reference = new_name(new)
    with session.store() as store:
        store.images.tag(reference, find_any(store, word))
    return 0
