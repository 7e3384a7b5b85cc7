"""Whether a runtime works here: it is made to run this host's own shell in a tree bound together of the host's."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.errors import MinibuildError
from minibuild.events import Stream
from minibuild.runtimes.base import Cancellation, Process
from minibuild.runtimes.host import clean_environment, scratch
from minibuild.sandbox import mounts
from minibuild.sandbox.scratch import scratch_directory
from minibuild.sandbox.syscalls import MOUNT_ATTR_RDONLY

if TYPE_CHECKING:
    from minibuild.runtimes.base import Runtime

_BORROWED = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "nix", "gnu")
_STATUS = 42


def probe(runtime: type[Runtime]) -> str | None:
    """None when it ran a program, and its output and status came back; else what went wrong."""
    reasons: list[str | None] = []
    # In a thread of its own, as what it mounts is no business of the caller's.
    thread = threading.Thread(target=lambda: reasons.append(_probe(runtime)), name="probe")
    thread.start()
    thread.join()
    return reasons[0] if reasons else "the probe died"


def _probe(runtime: type[Runtime]) -> str | None:
    lines: list[str] = []

    def output(line: str, _stream: Stream) -> None:
        lines.append(line)

    process = Process(
        arguments=("/bin/sh", "-c", f"test -d /proc/1 && echo it runs; exit {_STATUS}"),
        environment=tuple(clean_environment().items()),
    )
    try:
        mounts.private_mounts()
        with scratch_directory(scratch()) as root:
            borrowed = _borrow(root)
            try:
                status = runtime().run(process, root, output, Cancellation())
            finally:
                for path in borrowed:
                    mounts.unmount(path)
    except MinibuildError as error:
        return error.message
    except OSError as error:
        return (f"{error.filename}: " if error.filename else "") + (error.strerror or str(error)).lower()
    said = "; ".join(lines) or "nothing"
    return None if (status, said) == (_STATUS, "it runs") else f"a test ended with status {status} and said: {said}"


def _borrow(root: Path) -> list[Path]:
    """Makes a root of this host's own directories, read-only; answers what was mounted."""
    borrowed = []
    for name in _BORROWED:
        there = Path("/", name)
        if there.is_symlink():
            (root / name).symlink_to(os.readlink(there))
        elif there.is_dir():
            (root / name).mkdir()
            mounts.bind(there, root / name, MOUNT_ATTR_RDONLY)
            borrowed.append(root / name)
    return borrowed
