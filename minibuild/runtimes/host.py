"""Programs of this host that runtimes are made of."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from minibuild.runtimes.base import Process
from minibuild.sandbox.userns import in_first_user_namespace

# Daemons' programs live where a plain user's PATH doesn't look.
_MORE = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin")

_STREAMS = ("stdin", "stdout", "stderr")

# In memory on every Linux, root's alone, and empty after a crash of the machine.
_SCRATCH = Path("/run/minibuild")


def scratch() -> Path:
    """Where runtimes keep what lives as long as a container."""
    from minibuild.sandbox.scratch import own_directory

    return _SCRATCH if os.geteuid() == 0 and in_first_user_namespace() else own_directory(os.environ)


def which(name: str) -> str | None:
    """The path of a program of this host; None where it isn't installed."""
    for directory in (*os.get_exec_path(), *_MORE):
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK) and os.path.isfile(path):
            return os.path.realpath(path)
    return None


def clean_environment() -> dict[str, str]:
    """What a runtime's own program sees: nothing of ours but where programs are."""
    return {"PATH": ":".join(_MORE), "LC_ALL": "C"}


def streams_for(process: Process) -> dict[str, Any]:
    """What subprocess.Popen is told of standard streams: ours for an interactive process, else pipes, and a session
    of its own, so that a terminal's Ctrl-C reaches us alone.

    crun gives the streams to the container's user, and with /dev/null the host's own node. So an input that ends at
    once is a pipe, and where a stream of ours is /dev/null, the process has it by way of a read-only mount.
    """
    from subprocess import PIPE

    if process.interactive:
        return {name: _null() for number, name in enumerate(_STREAMS) if _is_null(number)}
    return {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, "start_new_session": True}


def _is_null(stream: int) -> bool:
    with suppress(OSError):
        return os.path.samestat(os.fstat(stream), os.stat(os.devnull))
    return False


def _null() -> int:
    from minibuild.sandbox import mounts, syscalls

    if not mounts.may_mount():  # and so no crun either
        return os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    with mounts.copied(os.devnull, syscalls.MOUNT_ATTR_RDONLY) as mount:
        return os.open(f"/proc/self/fd/{mount}", os.O_RDWR | os.O_CLOEXEC)


def sweep_scratch() -> None:
    """Removes what runtimes of killed builds have left."""
    from minibuild.sandbox.scratch import sweep

    place = scratch()
    if place.is_dir():
        with suppress(OSError):
            sweep(place)
