"""A tree made ready for a container: what is mounted into it, where that really is, and no trace of it afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from minibuild.errors import ImageError
from minibuild.runtimes.base import Mount, Process
from minibuild.sandbox.inside import mount_points, resolve

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
def ready_tree(process: Process, root: Path) -> Iterator[tuple[Mount, ...]]:
    """Sees to it that all mount points exist while the block lasts; answers the process's mounts with their targets
    as they really are in the tree, no link among their parts.

    Those below /dev, /proc and /sys are left to whoever mounts these. Raises ImageError for a tree that can't be run.
    """
    _check(process, root)
    within = [mount for mount in process.mounts if not mount.target.startswith(tuple(f"{own}/" for own in _OWN))]
    wanted = [(own, True) for own in _OWN] + [(mount.target, os.path.isdir(mount.source)) for mount in within]
    try:
        with mount_points(root, wanted) as places:
            targets = {id(mount): place.path for mount, place in zip(within, places[len(_OWN) :], strict=True)}
            yield tuple(Mount(m.source, targets.get(id(m), m.target), m.read_only) for m in process.mounts)
    except (NotADirectoryError, IsADirectoryError) as error:
        raise ImageError(f"{error.filename} can't be mounted on: {(error.strerror or '').lower()}") from error


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
