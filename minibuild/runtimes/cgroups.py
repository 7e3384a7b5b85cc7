"""/sys/fs/cgroup: made fit for crun, and cleared of what runtimes leave in it when they are killed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from minibuild.sandbox import mounts, syscalls

_CGROUPS = Path("/sys/fs/cgroup")
_HYBRID = _CGROUPS / "unified"


def hide_second_kind() -> None:
    """In a mount namespace: crun refuses hosts with both kinds of cgroups while any controller belongs to the
    second.
    """
    if os.path.ismount(_HYBRID):
        try:
            mounts.unmount(_HYBRID)
        except OSError:  # it is not ours to take away, but to cover
            syscalls.mount("tmpfs", _CGROUPS, "tmpfs")


def remove_cgroups(identity: str) -> None:
    """Removes the cgroups of a name ``minibuild-PID-…`` in every hierarchy, and those of builds that are no more."""
    for hierarchy in (_CGROUPS, *_CGROUPS.iterdir()):
        for left in (hierarchy / identity, *hierarchy.glob("minibuild-*")):
            pid = left.name.split("-")[1]
            if left.name == identity or not os.path.exists(f"/proc/{pid}"):
                for directory, _, _ in os.walk(left, topdown=False):
                    with suppress(OSError):
                        os.rmdir(directory)
