"""Which ``minibuild.lock`` a command line is about."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.cli.options import Add
from minibuild.errors import UsageError

if TYPE_CHECKING:
    from minibuild.build.locking.lock import Lock
    from minibuild.build.request import BuildRequest


def add_lock_file(add: Add) -> None:
    """``--lock-file``."""
    words = "the lock (default: minibuild.lock beside the Dockerfile)"
    add("--lock-file", metavar="FILE", default="", help=words)


def lock_of(arguments: argparse.Namespace, request: BuildRequest) -> Lock | None:
    """The lock that a build keeps to; None where it wasn't asked to. Raises UsageError or ContextError."""
    from minibuild.build.locking.lock import Lock

    if not arguments.locked:
        return None
    if request.pull:
        raise UsageError("--locked takes what the lock names, --pull what tags name now", hint="leave one of them out")
    return Lock.read(lock_place(request.context, request.dockerfile, arguments.lock_file))


def lock_place(context: str, dockerfile: str, lock_file: str) -> Path:
    """Where the lock of a build is; raises UsageError where its Dockerfile is no file of this machine."""
    from minibuild.build.locking.lock import FILE

    if lock_file:
        return Path(lock_file)
    if dockerfile and Path(dockerfile).is_file():
        return Path(dockerfile).with_name(FILE)
    if Path(context).is_dir():
        return Path(context, FILE)
    raise UsageError(
        "the Dockerfile is no file of this machine, so no lock is beside it", hint="name one: --lock-file FILE"
    )
