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
    threading.Thread(target=_stop_when_unused, args=(server, Path(users), Path(state)), daemon=True).start()
    return server.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _stop_when_unused(server: subprocess.Popen[bytes], users: Path, state: Path) -> None:
    with users.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        state.unlink(missing_ok=True)
        server.terminate()
        try:
            server.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()
        shutil.rmtree(state.parent / "data", ignore_errors=True)
        # The lock must outlive the clean-up: whoever waits for it starts a server of its own in this place.
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
