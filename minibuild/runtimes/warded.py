"""A program without a pid namespace, and the process that watches over it: this side of the ``warden``."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from minibuild.runtimes.base import Process
from minibuild.runtimes.host import clean_environment, streams_for
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from subprocess import Popen

    from minibuild.runtimes.warden import Orders


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
