"""The kernel alone: namespaces, mounts and pivot_root(2) made by us, so that nothing has to be installed."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import SubprocessError
from typing import Any, ClassVar

from minibuild.errors import UnavailableError
from minibuild.layers.owners import Owner
from minibuild.runtimes import limits, probing
from minibuild.runtimes.base import Cancellation, Mount, OutputLine, Process, Tmpfs
from minibuild.runtimes.cradle import Cradle
from minibuild.runtimes.host import streams_for, which
from minibuild.runtimes.networks import network_of
from minibuild.runtimes.program import Refusal, find_program
from minibuild.runtimes.seccomp.choosing import program_of
from minibuild.runtimes.streams import follow
from minibuild.runtimes.tree import DEVICE_LINKS, DEVICES, MASKED_PATHS, READ_ONLY_PATHS, bind_into, ready_tree
from minibuild.sandbox import capabilities, mounts, syscalls
from minibuild.sandbox.syscalls import MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY
from minibuild.sandbox.userns import has_group, in_first_user_namespace
from minibuild.values import dataclass

_STARTING = "a seccomp profile has to allow what every program starts with; --runtime crun says more"
_QUIET = MS_NOSUID | MS_NODEV | MS_NOEXEC


class UnshareRuntime:
    """Runs a process in namespaces of our own making."""

    name: ClassVar[str] = "unshare"
    has_cgroups: ClassVar[bool] = False
    shortcomings: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def binary(cls) -> str | None:
        """The shell that holds the namespaces."""
        return which("sh")

    @classmethod
    def probe(cls) -> str | None:
        """None where the kernel lets us."""
        return probing.probe(cls)

    def run(self, process: Process, root: Path, output: OutputLine, cancellation: Cancellation) -> int:
        """Runs a process whose root directory is the tree, by pivot_root(2)."""
        limits.check(process, self.name, has_cgroups=self.has_cgroups)
        with ready_tree(process, root) as binds, network_of(process.network) as network:
            program = find_program(root, process)
            if isinstance(program, Refusal):
                output(program.message, "stderr")
                return program.status
            last = _Last(process, program_of(process))
            inside = _Inside(process, root, binds, capabilities.known())
            extra = syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
            owner = Owner(process.uid, process.gid)
            cradle = Cradle(root, extra, inside.mount, inside.enter, network, owner=owner)
            try:
                cradled = cradle.start(
                    process.arguments,
                    executable=program,
                    cwd=process.directory,
                    env=dict(process.environment),
                    **last.options(),
                    **streams_for(process),
                )
            except OSError as error:
                return _exec_status(error, process, output)
            except SubprocessError as error:
                raise UnavailableError(
                    "unshare made no container: the program was kept from starting", hint=_STARTING
                ) from error
            return follow(cradled, output, cancellation)


@dataclass(frozen=True, slots=True)
class _Last:
    """What is done between fork and exec. With a filter it is all done by us: who is another user may set none."""

    process: Process
    compiled: bytes | None

    def options(self) -> dict[str, Any]:
        """Of subprocess.Popen."""
        process = self.process
        if self.compiled is None and not process.no_new_privileges:
            ids = {"user": process.uid, "group": process.gid, "extra_groups": process.groups}
            return {**ids, "preexec_fn": limits.setter(process.limits)}
        return {"preexec_fn": partial(self._become, limits.setter(process.limits))}

    def _become(self, set_limits: limits.Setter | None) -> None:
        process = self.process
        if set_limits:
            set_limits()
        os.setgroups(process.groups)
        os.setresgid(process.gid, process.gid, process.gid)
        if process.no_new_privileges:
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        if self.compiled is not None:
            syscalls.set_filter(self.compiled)
        os.setresuid(process.uid, process.uid, process.uid)


@dataclass(frozen=True, slots=True)
class _Inside:
    """What is done in the namespaces before the program starts."""

    process: Process
    root: Path
    binds: Sequence[Mount | Tmpfs]
    capabilities: Sequence[int]

    def mount(self) -> None:
        """Mounts everything but /proc."""
        mounts.bind(self.root, self.root, MOUNT_ATTR_NODEV)
        device = self.root / "dev"
        if self.process.privileged:
            mounts.bind("/dev", device)
        else:
            syscalls.mount("tmpfs", device, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=65536k")
        for name in ("pts", "shm", "mqueue"):
            (device / name).mkdir(exist_ok=True)
        options = "newinstance,ptmxmode=0666,mode=0620" + (",gid=5" if has_group(5) else "")
        syscalls.mount("devpts", device / "pts", "devpts", MS_NOSUID | MS_NOEXEC, options)
        syscalls.mount("shm", device / "shm", "tmpfs", _QUIET, f"mode=1777,size={self.process.shm_size}")
        syscalls.mount("mqueue", device / "mqueue", "mqueue", _QUIET)
        self._mount_sys()
        if not self.process.privileged:
            _make_devices(device)
        for bind in self.binds:
            bind_into(self.root, bind)

    def _mount_sys(self) -> None:
        writable = self.process.privileged
        if self.process.network == "host" and not in_first_user_namespace():
            mounts.bind("/sys", self.root / "sys", 0 if writable else MOUNT_ATTR_RDONLY)
        else:
            syscalls.mount("sysfs", self.root / "sys", "sysfs", _QUIET | (0 if writable else MS_RDONLY))

    def enter(self) -> None:
        """Covers what tells of the host, moves to the tree, and gives up what a container may not do."""
        if not self.process.privileged:
            self._cover()
        syscalls.sethostname(self.process.hostname)
        os.chdir(self.root)
        syscalls.pivot_root(".", ".")
        syscalls.umount(".", syscalls.MNT_DETACH)
        os.chdir("/")
        capabilities.bound(self.process.capabilities, self.capabilities)

    def _cover(self) -> None:
        for path in MASKED_PATHS:
            self._mask(f"{self.root}{path}")
        for path in READ_ONLY_PATHS:
            with suppress(FileNotFoundError):
                mounts.bind(f"{self.root}{path}", f"{self.root}{path}", MOUNT_ATTR_RDONLY)

    def _mask(self, path: str) -> None:
        if os.path.isdir(path):
            syscalls.mount("tmpfs", path, "tmpfs", _QUIET | MS_RDONLY, "size=4k,nr_inodes=1")
        elif os.path.exists(path):
            mounts.bind("/dev/null", path, MOUNT_ATTR_RDONLY)


def _make_devices(device: Path) -> None:
    for name in DEVICES:
        (device / name).touch()
        mounts.bind(f"/dev/{name}", device / name)
    for name, target in DEVICE_LINKS:
        (device / name).symlink_to(target)


def _exec_status(error: OSError, process: Process, output: OutputLine) -> int:
    """What a shell makes of a program that the kernel refused to start."""
    statuses = {errno.ENOENT: 127, errno.EACCES: 126, errno.ENOEXEC: 126, errno.EPERM: 126, errno.ELIBBAD: 126}
    if error.errno not in statuses:
        raise UnavailableError(f"unshare made no container: {error}") from error
    output(f"{process.arguments[0]}: {(error.strerror or str(error)).lower()}", "stderr")
    return statuses[error.errno]
