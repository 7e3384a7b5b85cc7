"""PRoot: a root directory and mounts that a tracer makes processes believe in, by ptrace(2): for who may do nothing.

All is done as us: whose files are is only believed, and forgotten with the last process. A program sees this machine's
processes, its /proc and /sys, its network and its name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from minibuild.errors import MinibuildError, UnavailableError
from minibuild.runtimes import limits
from minibuild.runtimes.base import Cancellation, Mount, OutputLine, Process, Tmpfs
from minibuild.runtimes.host import clean_environment, scratch, which
from minibuild.runtimes.program import Refusal, find_program
from minibuild.runtimes.streams import follow
from minibuild.runtimes.tree import DEVICE_LINKS, DEVICES, ready_tree
from minibuild.runtimes.warded import Warded, refuse_what_takes_namespaces
from minibuild.sandbox.copying import copy_file, copy_tree
from minibuild.sandbox.mounts import may_mount
from minibuild.sandbox.scratch import scratch_directory
from minibuild.values import replace

# Of this machine, besides the devices.
_SHARED = ("/proc", "/sys", "/dev/pts", "/dev/ptmx")
_REPORT = '"$@" 9>&-; echo $? >&9'  # warden.REPORT


class ProotRuntime:
    """Runs a process by proot."""

    name: ClassVar[str] = "proot"
    has_cgroups: ClassVar[bool] = False
    shortcomings: ClassVar[Mapping[str, str]] = {
        "NotIsolated": "nothing can be mounted here: a RUN sees this machine's processes, /proc, /sys and network",
        "OwnersLost": "nobody can be given a file here: what a RUN makes is its user's, whatever it does by chown",
    }

    @classmethod
    def binary(cls) -> str | None:
        """The program; None where it isn't installed."""
        return which("proot")

    @classmethod
    def probe(cls) -> str | None:
        """None where it may trace, and others may not do better."""
        if may_mount():
            return "it is for machines where nothing can be mounted"
        binary, shell, lines = cls.binary(), which("sh"), list[str]()
        if binary is None:
            return "proot is not installed"
        process = Process((str(shell), "-c", "id -u; exit 42"), tuple(clean_environment().items()))
        try:
            with scratch_directory(scratch()) as made:
                words = _words(process, Path("/"), process.arguments, _Furniture(made).devices())
                warded = _started(process, binary, words)
                status = follow(warded, lambda line, _stream: lines.append(line), Cancellation())
        except MinibuildError as error:
            return error.message
        except OSError as error:
            return (f"{error.filename}: " if error.filename else "") + (error.strerror or str(error)).lower()
        said = "; ".join(lines)
        return None if (status, said) == (42, "0") else f"a test ended with status {status} and said: {said}"

    def run(self, process: Process, root: Path, output: OutputLine, cancellation: Cancellation) -> int:
        """Runs a process that takes the tree for its root directory."""
        binary = self.binary()
        if binary is None:
            raise UnavailableError("proot is not installed")
        refuse_what_takes_namespaces(process, ProotRuntime, capabilities=False)
        with ready_tree(process, root) as mounts, scratch_directory(scratch()) as made:
            program = find_program(root, process)
            if isinstance(program, Refusal):
                output(program.message, "stderr")
                return program.status
            furniture = _Furniture(made)
            bound = [*furniture.devices(), *map(furniture.placed, mounts)]
            words = _words(process, root, _reporting(root, program, process), bound)
            return follow(_started(process, binary, words), output, cancellation)


class _Furniture:
    """What a process finds in the tree, in a directory that goes with it."""

    def __init__(self, made: Path) -> None:
        self._made, self._number = made, 0

    def devices(self) -> list[Mount]:
        """A /dev with what programs expect in it, and what is this machine's."""
        place = self._fresh()
        (place / "shm").mkdir()
        (place / "shm").chmod(0o1777)
        for name, target in DEVICE_LINKS:
            if name != "ptmx":
                (place / name).symlink_to(target)
        shared = [*(f"/dev/{name}" for name in DEVICES), *_SHARED]
        return [Mount(place, "/dev"), *(Mount(Path(path), path) for path in shared if os.path.exists(path))]

    def placed(self, mount: Mount | Tmpfs) -> Mount:
        """A mount with what is to be bound for it: where it is read-only a copy, since nobody forbids writing to it."""
        if isinstance(mount, Tmpfs):
            place = self._fresh()
            place.chmod(0o1777)
            return Mount(place, mount.target)
        status = os.stat(mount.source)
        if not mount.read_only or stat.S_ISSOCK(status.st_mode):
            return mount
        if stat.S_ISDIR(status.st_mode):
            place = self._fresh()
            copy_tree(os.fspath(mount.source), os.fspath(place), copy_file)
        else:
            place = self._fresh() / mount.source.name
            copy_file(os.path.realpath(mount.source), os.fspath(place), status)
        return Mount(place, mount.target)

    def _fresh(self) -> Path:
        self._number += 1
        place = self._made / str(self._number)
        place.mkdir(mode=0o755)
        return place


def _reporting(root: Path, program: str, process: Process) -> Sequence[str]:
    """What to run so that we learn a program's status at once: proot tells that of the last process to end by itself.

    For that the image must have a shell.
    """
    command = (program, *process.arguments[1:])
    has_shell = not isinstance(find_program(root, replace(process, arguments=("/bin/sh",))), Refusal)
    return ("/bin/sh", "-c", _REPORT, "sh", *command) if has_shell else command


def _words(process: Process, root: Path, command: Sequence[str], bound: Sequence[Mount]) -> Iterator[str]:
    """The words of the command line."""
    yield from ("proot", "-v", "-1", "-i", f"{process.uid}:{process.gid}", "-r", os.fspath(root))
    for mount in bound:
        for path in (os.fspath(mount.source), mount.target):
            if ":" in path:
                raise UnavailableError(f"proot can't bind {path}: it has a colon in its name")
        yield from ("-b", f"{mount.source}:{mount.target}")
    yield from ("-w", process.directory, *command)


def _started(process: Process, binary: str, words: Iterator[str]) -> Warded:
    from minibuild.runtimes.warden import Orders

    orders = Orders(
        "", "/", binary, tuple(words), process.environment, limits=limits.in_numbers(process.limits), reports=True
    )
    return Warded.start(orders, process)
