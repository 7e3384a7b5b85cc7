"""Whether this is Linux: what isn't has no trees and no runtimes of our own."""

from __future__ import annotations

import sys

from minibuild.errors import UnavailableError


def is_linux() -> bool:
    """It is."""
    return sys.platform == "linux"


def check_linux(what: str) -> None:
    """Raises UnavailableError, with what serves instead, where it isn't."""
    if not is_linux():
        raise UnavailableError(
            f"{what} takes Linux, and this is {sys.platform}",
            hint="start a docker or podman machine for RUN, or let DOCKER_HOST name a daemon elsewhere",
        )
