"""A tree made ready for a container: what is mounted into it, where that really is, and no trace of it afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from minibuild.errors import ImageError
from minibuild.runtimes.base import Mount, Process, Tmpfs
from minibuild.sandbox import mounts
from minibuild.sandbox.inside import mount_points, resolve
from minibuild.sandbox.syscalls import MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY
from minibuild.values import dataclass, field, replace

# What every container has of its own.
_OWN = ("/dev", "/proc", "/sys")

# Docker's lists: what tells of the host, or changes it.
MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
DEVICE_LINKS = (
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
)


@contextmanager
def ready_tree(process: Process, root: Path) -> Iterator[tuple[Mount | Tmpfs, ...]]:
    """Sees to it that all mount points exist while the block lasts; answers the process's mounts with their targets
    as they really are, no link among their parts, each after those that it stands in.

    Those below /dev, /proc and /sys are left to whoever mounts these. Raises ImageError for a tree that can't be run.
    """
    _check(process, root)
    with ExitStack() as stack:
        try:
            stack.enter_context(mount_points(root, [(own, True) for own in _OWN]))
            ready = _Ready(root, stack)
            for mount in sorted(process.mounts, key=ready.depth):
                ready.add(mount)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise ImageError(f"{error.filename} can't be mounted on: {reason}") from error
        yield tuple(ready.mounts)


@dataclass(frozen=True, slots=True)
class _Ready:
    """Mounts whose mount points exist, each after those that it stands in."""

    root: Path
    stack: ExitStack
    mounts: list[Mount | Tmpfs] = field(default_factory=list)

    def depth(self, mount: Mount | Tmpfs) -> int:
        """How deep in the tree a mount stands."""
        return self._target(mount).count("/")

    def add(self, mount: Mount | Tmpfs) -> None:
        """Makes the mount point: in what is mounted there by then, as nobody sees the tree's own any more."""
        target, is_directory = self._target(mount), isinstance(mount, Tmpfs) or mount.source.is_dir()
        around = [other for other in self.mounts if target.startswith(f"{other.target}/")]
        if around and isinstance(around[-1], Mount):
            within = target[len(around[-1].target) :]
            target = around[-1].target + self._made(around[-1].source, within, is_directory)
        elif not around and not is_own(target):
            target = self._made(self.root, target, is_directory)
        self.mounts.append(replace(mount, target=target))

    def _made(self, root: Path, path: str, is_directory: bool) -> str:
        [place] = self.stack.enter_context(mount_points(root, [(path, is_directory)]))
        return place.path

    def _target(self, mount: Mount | Tmpfs) -> str:
        return mount.target if is_own(mount.target) else resolve(self.root, mount.target).path


def is_own(target: str) -> bool:
    """A path is below what every container has of its own."""
    return target.startswith(tuple(f"{own}/" for own in _OWN))


def bind_into(root: Path, bind: Mount | Tmpfs) -> None:
    """Mounts something at its place in a tree; what is missing can only be so in /dev, or in what was mounted there."""
    target = Path(f"{root}{bind.target}")
    is_directory = isinstance(bind, Tmpfs) or bind.source.is_dir()
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.mkdir() if is_directory else target.touch()
    if isinstance(bind, Tmpfs):
        mounts.tmpfs(target, bind.size)
    else:
        mounts.bind(bind.source, target, MOUNT_ATTR_NODEV | (MOUNT_ATTR_RDONLY if bind.read_only else 0))


def _check(process: Process, root: Path) -> None:
    for own in _OWN:
        place = resolve(root, own, follow=False)
        if place.status is not None and not place.is_directory:
            raise ImageError(f"{own} of the image is no directory, so nothing can run in it")
    try:
        directory = resolve(root, process.directory)
    except OSError as error:
        raise ImageError(f"directory {process.directory} can't be entered: {(error.strerror or '').lower()}") from error
    if not directory.is_directory:
        raise ImageError(f"directory {process.directory} is not in the image", hint="WORKDIR makes it")
