"""Keeps a server alive for as long as anyone uses it: ``keeper.py USERS STATE LOG -- COMMAND…``.

Every user holds a shared lock on the file USERS; the kernel lets go of it however a process ends. When the last one
is gone the keeper gets the exclusive lock, removes STATE and stops the server: no test worker has to be asked, and a
``kill -9`` of all of them leaves nothing running.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

PR_SET_PDEATHSIG = 1
PATIENCE_S = 20


def main(arguments: list[str]) -> int:
    """Runs the command until its users are gone or it ends by itself."""
    users, state, log, separator, *command = arguments
    assert separator == "--", arguments
    with Path(log).open("ab") as output:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    stopping = threading.Event()
    threading.Thread(target=_end_with, args=(server, stopping), daemon=True).start()
    with Path(users).open("a") as held:
        # Held until we are gone: whoever waits for it starts a server of its own in this place.
        fcntl.flock(held, fcntl.LOCK_EX)
        stopping.set()
        Path(state).unlink(missing_ok=True)
        _stop(server)
        for directory in ("data", "exec"):
            shutil.rmtree(Path(state).parent / directory, ignore_errors=True)
    return 0


def _die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _end_with(server: subprocess.Popen[bytes], stopping: threading.Event) -> None:
    status = server.wait()
    if not stopping.is_set():
        os._exit(status or 1)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
