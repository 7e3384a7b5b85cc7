"""A root directory and nothing more: for machines where no namespace can be made, as in a container without privileges.

What is mounted elsewhere is put into the tree as files. A program sees the processes of this machine by their numbers,
shares its network and its name, and has no /proc and no /sys.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from minibuild.errors import MinibuildError, UnavailableError
from minibuild.runtimes import limits
from minibuild.runtimes.base import SHM_SIZE, Cancellation, OutputLine, Process, Tmpfs
from minibuild.runtimes.host import clean_environment, scratch, streams_for, which
from minibuild.runtimes.program import Refusal, find_program
from minibuild.runtimes.streams import follow
from minibuild.sandbox.mounts import may_mount
from minibuild.sandbox.scratch import scratch_directory
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from subprocess import Popen


class ChrootRuntime:
    """Runs a process by chroot(2)."""

    name: ClassVar[str] = "chroot"
    has_cgroups: ClassVar[bool] = False
    isolates: ClassVar[bool] = False

    @classmethod
    def binary(cls) -> str | None:
        """The Python that watches over the process."""
        return sys.executable

    @classmethod
    def probe(cls) -> str | None:
        """None where we may change the root, and make devices for it."""
        if may_mount():
            return "it is for machines where nothing can be mounted"
        from minibuild.runtimes.placing import furnished

        try:
            with scratch_directory(scratch()) as place:
                (place / "root").mkdir()
                with furnished(Process((), ()), place / "root"):
                    return _tried()
        except MinibuildError as error:
            return error.message
        except OSError as error:
            return (f"{error.filename}: " if error.filename else "") + (error.strerror or str(error)).lower()

    def run(self, process: Process, root: Path, output: OutputLine, cancellation: Cancellation) -> int:
        """Runs a process whose root directory is the tree."""
        from minibuild.runtimes.placing import furnished

        limits.check(process, self.name, has_cgroups=self.has_cgroups)
        _refuse_what_takes_mounts(process)
        with furnished(process, root):
            program = find_program(root, process)
            if isinstance(program, Refusal):
                output(program.message, "stderr")
                return program.status
            return follow(_started(process, root, program), output, cancellation)


def _tried() -> str | None:
    """None where a program of this host ran with the host's own root in the place of another."""
    shell, lines = which("sh"), list[str]()
    if shell is None:
        return "there is no sh on this host"
    process = Process((shell, "-c", "echo it runs; exit 42"), tuple(clean_environment().items()))
    warded = _started(process, Path("/"), shell)
    status = follow(warded, lambda line, _stream: lines.append(line), Cancellation())
    said = "; ".join(lines)
    return None if (status, said) == (42, "it runs") else f"a test ended with status {status} and said: {said}"


def _refuse_what_takes_mounts(process: Process) -> None:
    wanted = {
        "no network of its own": process.network == "none",
        "no /dev/shm of another size": process.shm_size != SHM_SIZE,
        "no tmpfs of a size": any(isinstance(mount, Tmpfs) and mount.size for mount in process.mounts),
    }
    for what in (what for what, is_wanted in wanted.items() if is_wanted):
        raise UnavailableError(f"chroot can give a RUN {what}", hint="minibuild info says what keeps others from it")


def _started(process: Process, root: Path, program: str) -> Warded:
    from subprocess import Popen

    from minibuild.runtimes.warden import Orders

    orders = Orders(
        os.fspath(root),
        process.directory,
        program,
        process.arguments,
        process.environment,
        process.uid,
        process.gid,
        process.groups,
        process.capabilities,
        tuple((limits.NAMES.index(limit.name), limit.soft, limit.hard) for limit in process.limits),
    )
    inner, lifeline = os.pipe()
    try:
        # "-P": a directory that somebody builds is no place to import from.
        command = [sys.executable, "-P", "-m", "minibuild.runtimes.warden", str(inner)]
        warden = Popen(command, pass_fds=[inner], env=clean_environment(), **streams_for(process))
    except BaseException:
        os.close(lifeline)
        raise
    finally:
        os.close(inner)
    if warden.stdin:
        warden.stdin.close()
    with suppress(BrokenPipeError):
        os.write(lifeline, orders.line())
    return Warded(warden, lifeline)


@dataclass(slots=True)
class Warded:
    """A program and the process that watches over it."""

    process: Popen[bytes]
    _lifeline: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
