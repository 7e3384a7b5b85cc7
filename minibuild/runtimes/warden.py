"""The process above a program that has no pid namespace: it sees to it that nothing the program started outlives it.

What loses its parent becomes the warden's child, so all that descends from the program can be found and killed, when
it ends or when the pipe to the warden does: by a byte's absence, however the builder died.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Any, NoReturn

from minibuild.sandbox import capabilities, syscalls
from minibuild.values import dataclass

# What a shell makes of a program that the kernel refused to start.
_STATUSES = {errno.ENOENT: 127, errno.EACCES: 126, errno.ENOEXEC: 126, errno.EPERM: 126, errno.ELIBBAD: 126}
_SETUP_FAILED = 125
_PAUSE_S = 0.001
REPORT = 9  # a digit alone: shells take no more
_ending = threading.Lock()


@dataclass(frozen=True, slots=True)
class Orders:
    """What to start: ``limits`` are (number of setrlimit(2), soft, hard). ``root`` "": the program sees to it itself
    where, as whom and with which capabilities anything runs. ``reports``: it writes a status to descriptor ``REPORT``
    when all that matters is done.
    """

    root: str
    directory: str
    program: str
    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    limits: tuple[tuple[int, int, int], ...] = ()
    reports: bool = False

    def line(self) -> bytes:
        """As a line of a pipe."""
        return json.dumps(asdict(self)).encode("utf-8", "surrogateescape") + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Orders:
        """What a line says."""
        return cls(**{name: _frozen(value) for name, value in json.loads(line).items()})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def main() -> None:
    """Reads orders from the descriptor that the first word names, carries them out, and ends with the status."""
    pipe = os.fdopen(int(sys.argv[1]), "rb")
    orders = Orders.of(pipe.readline())
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    os.set_inheritable(pipe.fileno(), False)
    report = os.pipe()
    child = os.fork()
    if child == 0:
        if orders.reports:
            os.dup2(report[1], REPORT)
        _become(orders)
    os.close(report[1])
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    reported = os.read(report[0], 16) if orders.reports else b""  # nothing where all have ended without
    _end(int(reported) if reported else _ended(child))


def _ended(child: int) -> int:
    """Waits for a child, and for whatever else becomes one meanwhile; answers the status as a shell sees it."""
    while True:
        pid, found = os.waitpid(-1, 0)
        if pid == child:
            status = os.waitstatus_to_exitcode(found)
            return 128 - status if status < 0 else status


def _become(orders: Orders) -> None:
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python
            signal.signal(ignored, signal.SIG_DFL)
        os.umask(0o022)
        known = capabilities.known()  # before the tree's own /proc hides ours
        if orders.root:
            os.chroot(orders.root)
        os.chdir(orders.directory)
        for number, soft, hard in orders.limits:
            resource.setrlimit(number, (soft, hard))
        if orders.root:
            os.setgroups(orders.groups)
            os.setresgid(orders.gid, orders.gid, orders.gid)
            capabilities.bound(orders.capabilities, known)
            os.setresuid(orders.uid, orders.uid, orders.uid)
        os.execve(orders.program, orders.arguments, dict(orders.environment))
    except OSError as error:
        status = _STATUSES.get(error.errno or 0, _SETUP_FAILED)
        _complain(f"{orders.arguments[0]}: {(error.strerror or str(error)).lower()}")
        os._exit(status)


def _complain(text: str) -> None:
    with suppress(OSError):
        os.write(2, f"{text}\n".encode("utf-8", "surrogateescape"))


def _end_with(pipe: Any) -> None:
    pipe.read()
    _end(128 + signal.SIGKILL)


def _end(status: int) -> NoReturn:
    _ending.acquire()  # for good: whoever comes second has nothing to say any more
    _kill_all()
    os._exit(status)


def _kill_all() -> None:
    """Kills all descendants; those that are made meanwhile are found the next time round."""
    while descendants := _descendants():
        for pid in descendants:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # waits for nobody: one may be new, and not killed yet
                pass
        time.sleep(_PAUSE_S)


def _descendants() -> set[int]:
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name in brackets may have any character.
                state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    parents[int(name)] = int(parent)
    found, fresh = set[int](), {os.getpid()}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return found


if __name__ == "__main__":
    main()
