"""What runtimes leave in /sys/fs/cgroup when they are killed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


def remove_cgroups(identity: str) -> None:
    """Removes the cgroups of a name ``minibuild-PID-…`` in every hierarchy, and those of builds that are no more."""
    for hierarchy in (_CGROUPS, *_CGROUPS.iterdir()):
        for left in (hierarchy / identity, *hierarchy.glob("minibuild-*")):
            pid = left.name.split("-")[1]
            if left.name == identity or not os.path.exists(f"/proc/{pid}"):
                for directory, _, _ in os.walk(left, topdown=False):
                    with suppress(OSError):
                        os.rmdir(directory)
