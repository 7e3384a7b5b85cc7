"""Where containers run so that none outlives us: namespaces whose first process reads a pipe that only we hold.

When our process dies, however it dies, the pipe ends, the reader ends, and the kernel kills whatever else lives in its
pid namespace. To stop a container is to kill that reader.

The namespaces are made by a thread that is there for nothing else, since a thread keeps what it moved to; what is
mounted in them is gone with the last process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minibuild.errors import UnavailableError
from minibuild.layers import owners
from minibuild.layers.owners import ROOT, Owner
from minibuild.runtimes.host import clean_environment, which
from minibuild.sandbox import syscalls
from minibuild.sandbox.userns import AS_ROOT
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from subprocess import Popen

    from minibuild.sandbox.keeping import Keeper

# It mounts /proc, as only a process inside the pid namespace can mount the right one; where, its own command line
# needn't tell.
# When the pipe ends, it kills all the others, and does what is left to do.
_READER = (
    "mount -t proc -o nosuid,nodev,noexec proc proc && echo && read -r _; "
    '[ $# = 0 ] || { kill -9 -1; exec "$@" >/dev/null 2>&1; }'
)
_ISOLATED = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Cradle:
    """What to make: extra namespaces (``CLONE_…``), the root whose /proc will be theirs, and what else is done in the
    new mount namespace before and after that is mounted. ``network`` is the descriptor of a network namespace to join;
    None: ours. ``last`` are the words of a program that clears up if we die, after all else in there has been killed.
    ``owner`` is whose the program's files are where owners are recorded.
    """

    root: Path = Path("/")
    namespaces: int = 0
    before: Callable[[], None] = _nothing
    after: Callable[[], None] = _nothing
    network: int | None = None
    last: Sequence[str] = ()
    owner: Owner = ROOT

    def start(self, arguments: Sequence[str], **options: Any) -> Cradled:
        """Starts a program inside; ``options`` are subprocess.Popen's.

        Raises UnavailableError where the namespaces can't be made, OSError what ``before``, ``after`` and Popen raise.
        """
        started: list[Cradled] = []
        errors: list[BaseException] = []
        keeper = self._keeper()

        def work() -> None:
            try:
                started.append(self._start(arguments, options, keeper))
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=work, name="cradle")
        thread.start()
        thread.join()
        if keeper:
            keeper.release()
        if errors:
            raise errors[0]
        return started[0]

    def _keeper(self) -> Keeper | None:
        if owners.here() is owners.Owners.KERNEL or os.geteuid() != 0:
            return None
        from minibuild.sandbox.keeping import Keeper

        return Keeper(self.owner)

    def _start(self, arguments: Sequence[str], options: dict[str, Any], keeper: Keeper | None) -> Cradled:
        from subprocess import Popen

        try:
            if self.network is not None:
                syscalls.setns(self.network, syscalls.CLONE_NEWNET)
            syscalls.unshare(_ISOLATED | self.namespaces)
            syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UnavailableError(f"namespaces can't be made: {reason}", hint=AS_ROOT) from error
        self.before()
        reader, lifeline = self._reader()
        try:
            self.after()
            if keeper:
                keeper.keep()
            options = {"close_fds": True, "umask": 0o022, **options}
            with _no_imports():
                process = Popen(list(arguments), **options)
            if process.stdin:
                process.stdin.close()
            return Cradled(process, reader, lifeline)
        except BaseException:
            os.close(lifeline)
            reader.kill()
            reader.wait()
            raise

    def _reader(self) -> tuple[Popen[bytes], int]:
        from subprocess import PIPE, Popen

        shell = which("sh")
        if shell is None:
            raise UnavailableError("there is no sh on this host")
        inner, lifeline = os.pipe()
        reader = Popen(
            [shell, "-c", _READER, shell, *self.last],
            stdin=inner,
            stdout=PIPE,
            stderr=PIPE,
            cwd=self.root,
            env=clean_environment(),
            start_new_session=True,
        )
        os.close(inner)
        assert reader.stdout and reader.stderr
        with reader.stdout, reader.stderr:
            if reader.stdout.read(1) != b"\n":
                complaint = reader.stderr.read().decode(errors="replace").strip()
                os.close(lifeline)
                reader.wait()
                raise UnavailableError(f"/proc of a pid namespace can't be mounted: {complaint}")
        return reader, lifeline


class _Refusing:
    """Finds no module for one thread: whose root may be an image's tree by now, where modules would be the image's."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        """Refuses, or leaves it to the next finder."""
        if threading.get_ident() == self.thread:
            raise ImportError(f"{name} can't be imported from inside an image")


@contextmanager
def _no_imports() -> Iterator[None]:
    finder = _Refusing()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@dataclass(slots=True)
class Cradled:
    """A program in its namespaces."""

    process: Popen[bytes]
    _reader: Popen[bytes]
    _lifeline: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def kill(self) -> None:
        """Kills all that lives in there; from any thread, or a signal handler."""
        with suppress(ProcessLookupError):
            self._reader.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        """Waits for the program, not for what it left running; answers its status as a shell sees it."""
        status = self.process.wait()
        return 128 - status if status < 0 else status

    def close(self) -> None:
        """Kills whatever still lives, and waits until it is gone."""
        self.kill()
        # In this order: the first process of a pid namespace ends when all others have been waited for.
        self.process.wait()
        self._reader.wait()
        with self._lock:
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1
