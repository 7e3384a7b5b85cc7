"""What a container runtime is: a process in a tree."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias

from minibuild.events import Stream
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from minibuild.runtimes.seccomp.profile import Profile

OutputLine: TypeAlias = Callable[[str, Stream], None]
Network: TypeAlias = Literal["host", "none", "private", "slirp4netns", "pasta"]
"""This machine's; loopback alone; one of its own that reaches out, but not to this machine's loopback; the same by a
program that is named.
"""

# Docker's default set.
DEFAULT_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)


# Docker's /dev/shm.
SHM_SIZE = 64 << 20


def is_private(network: Network) -> bool:
    """It reaches out, but not to this machine's loopback, whatever makes it."""
    return network not in ("host", "none")


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or directory of the host, bound at an absolute path of the tree. The path need not exist in the tree."""

    source: Path
    target: str
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """An empty directory in memory, anybody's to write to; ``size`` in bytes, 0 for half of the machine's memory."""

    target: str
    size: int = 0


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of setrlimit(2) by its name in lower case, such as ``nofile``; -1 is none."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Process:
    """What to run, everything looked up already: numeric ids, absolute directory, the whole environment.

    ``arguments[0]`` without a slash is looked up in the PATH of ``environment``, inside the tree. ``interactive``:
    it inherits our standard streams (``minibuild run``), and no line of output is reported.

    ``mounts`` may stand in one another, in any order. ``shm_size`` is that of /dev/shm in bytes, ``memory`` what all of
    the container may take, ``processors`` how many it may keep busy; 0 for no limit. ``privileged``: it may do to this
    machine whatever we can, and sees all of it. ``seccomp`` is which system calls it may make, None what Docker's
    default says, where the kernel has filters. ``no_new_privileges``: setuid programs give it nothing.
    """

    arguments: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    directory: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    mounts: tuple[Mount | Tmpfs, ...] = ()
    network: Network = "host"
    hostname: str = "minibuild"
    capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES
    interactive: bool = False
    shm_size: int = SHM_SIZE
    limits: tuple[Limit, ...] = ()
    memory: int = 0
    processors: float = 0
    privileged: bool = False
    seccomp: Profile | None = None
    no_new_privileges: bool = False


@dataclass(frozen=True, slots=True)
class Cancellation:
    """Tells whoever waits on a process that it should be killed now. Set once, from any thread or a signal
    handler.
    """

    event: threading.Event = field(default_factory=threading.Event)
    _listeners: list[Callable[[], None]] = field(default_factory=list, compare=False, repr=False)

    def set(self) -> None:
        """Cancels."""
        self.event.set()
        for listener in tuple(self._listeners):
            listener()

    @contextmanager
    def telling(self, listener: Callable[[], None]) -> Iterator[None]:
        """While the block lasts, who cancels calls the listener too: for what waits without looking here."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def __bool__(self) -> bool:
        return self.event.is_set()


class Runtime(Protocol):
    """Runs a process in a tree, isolated as Docker isolates RUN: own pid, mount, ipc and uts namespaces, /proc,
    /dev and /sys of its own.

    It leaves nothing in the tree: no mount point, no ``/etc/resolv.conf``. When our own process dies, however, so
    does the container.
    """

    name: ClassVar[str]
    has_cgroups: ClassVar[bool]
    """It can limit memory and processors."""
    shortcomings: ClassVar[Mapping[str, str]]
    """What a build has to warn of, by the name of the rule. Where there is none, all of these promises are kept; else
    those on namespaces, mounts and limits of memory are broken, or what asks for them is refused.
    """

    @classmethod
    def binary(cls) -> str | None:
        """The program of this host that it stands on; None where it isn't installed."""

    @classmethod
    def probe(cls) -> str | None:
        """None where it works here, proved by running a program; else the reason, for ``minibuild info``."""

    def run(self, process: Process, root: Path, output: OutputLine, cancellation: Cancellation) -> int:
        """Runs to the end and answers the exit status as a shell sees it: 127 not found, 126 not executable, 128+n
        killed by signal n.

        ``output`` gets each line as it comes, the streams told apart. A cancelled process is killed with all its
        children; the answer is then 137. Raises UnavailableError where no container could be made.
        """
