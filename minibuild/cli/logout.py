"""``minibuild logout``: forgets what ``login`` kept."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.login import registry_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    return Parser("logout", "Forgets the name and the password that are kept for a registry.", "[REGISTRY]", most=1)


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Says where they were kept, or that there were none."""
    from minibuild.registry.keeping import Keeping

    registry = registry_of(arguments.operands)
    keeping = Keeping(session.environment)
    forgotten = keeping.forget(registry)
    session.print(f"{registry}: " + (f"forgotten in {keeping.path}" if forgotten else "nothing was kept"))
    return 0
