"""``--offline``: what goes with it, and what is refused before anything begins."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from minibuild.build.request import BuildRequest
from minibuild.cli.options import Add
from minibuild.cli.outputs import Output
from minibuild.cli.session import Session
from minibuild.errors import UsageError
from minibuild.registry.offline import OFFLINE, is_offline


def add_offline(add: Add) -> None:
    """``--offline``."""
    words = "ask nobody over the network: what the store lacks is an error, and RUN has none unless --network=host "
    add("--offline", action="store_true", help=words + "(default: MINIBUILD_OFFLINE)")


def heeding_offline(arguments: argparse.Namespace, session: Session) -> Session:
    """The session, in whose environment everybody sees it."""
    return replace(session, environment={**session.environment, OFFLINE: "1"}) if arguments.offline else session


def check_offline(request: BuildRequest, outputs: Sequence[Output]) -> None:
    """Raises UsageError for what can't be had without a network."""
    if not is_offline(request.environment):
        return
    asked = ["--pull"] if request.pull else []
    asked += ["--push"] if any(output.type == "registry" for output in outputs) else []
    asked += ["--cache-to type=registry"] if any(one.type == "registry" for one in request.caches.destinations) else []
    if asked:
        hint = "leave one of them out; push later: minibuild push" if "--push" in asked else "leave one of them out"
        raise UsageError(f"--offline asks nobody, and {asked[0]} asks a registry", hint=hint)
