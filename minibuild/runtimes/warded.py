"""A program without a pid namespace, and the process that watches over it: this side of the ``warden``."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from minibuild.errors import UnavailableError
from minibuild.runtimes import limits
from minibuild.runtimes.base import DEFAULT_CAPABILITIES, SHM_SIZE, Process, Runtime, Tmpfs
from minibuild.runtimes.host import clean_environment, streams_for
from minibuild.runtimes.seccomp.choosing import refuse_what_confines
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from subprocess import Popen

    from minibuild.runtimes.warden import Orders


def refuse_what_takes_namespaces(process: Process, runtime: type[Runtime], *, capabilities: bool = True) -> None:
    """Raises UnavailableError for what a runtime that has nothing but a root can't give a process; ``capabilities``: it
    can give other ones.
    """
    limits.check(process, runtime.name, has_cgroups=runtime.has_cgroups)
    refuse_what_confines(process, runtime.name)
    others = process.privileged or set(process.capabilities) != set(DEFAULT_CAPABILITIES)
    wanted = {
        "no network of its own": process.network != "host",
        "no /dev/shm of another size": process.shm_size != SHM_SIZE,
        "no tmpfs of a size": any(isinstance(mount, Tmpfs) and mount.size for mount in process.mounts),
        "no other capabilities": others and not capabilities,
    }
    for what in (what for what, is_wanted in wanted.items() if is_wanted):
        hint = "minibuild info says what keeps others from it"
        raise UnavailableError(f"{runtime.name} can give a RUN {what}", hint=hint)


@dataclass(slots=True)
class Warded:
    """A program and the process that watches over it."""

    process: Popen[bytes]
    _lifeline: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def start(cls, orders: Orders, process: Process) -> Warded:
        """Starts what the orders say, with the streams of a process."""
        from subprocess import Popen

        inner, lifeline = os.pipe()
        try:
            # "-P": a directory that somebody builds is no place to import from.
            command = [sys.executable, "-P", "-m", "minibuild.runtimes.warden", str(inner)]
            ours = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
            warden = Popen(command, pass_fds=[inner], env=clean_environment() | ours, **streams_for(process))
        except BaseException:
            os.close(lifeline)
            raise
        finally:
            os.close(inner)
        if warden.stdin:
            warden.stdin.close()
        with suppress(BrokenPipeError):
            os.write(lifeline, orders.line())
        return cls(warden, lifeline)

    def kill(self) -> None:
        """Has the program killed, and all that it started; from any thread, or a signal handler."""
        with self._lock:
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1

    def wait(self) -> int:
        """Waits for the program and all that it started; answers its status as a shell sees it."""
        return self.process.wait()

    def close(self) -> None:
        """Kills whatever still lives, and waits until it is gone."""
        self.kill()
        self.process.wait()
