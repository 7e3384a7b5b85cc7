"""/sys/fs/cgroup: made fit for crun, and cleared of what runtimes leave in it when they are killed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from minibuild.runtimes.host import which
from minibuild.sandbox import mounts, syscalls

_CGROUPS = Path("/sys/fs/cgroup")
_HYBRID = _CGROUPS / "unified"
# The words are cgroups. One can go when the last process in it is gone, which takes a moment after its kill.
_REMOVAL = """
for _ in $(seq 500); do
    left=
    for there; do
        find "$there" -depth -type d -exec rmdir {} ";"
        [ -d "$there" ] && left=1
    done
    [ "$left" ] || exit
    sleep 0.01
done
"""


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
    for parent in _parents():
        for left in (parent / identity, *parent.glob("minibuild-*")):
            pid = left.name.split("-")[1]
            if left.name == identity or not os.path.exists(f"/proc/{pid}"):
                for directory, _, _ in os.walk(left, topdown=False):
                    with suppress(OSError):
                        os.rmdir(directory)


def removal(identity: str) -> tuple[str, ...]:
    """Words of a program that removes the cgroups of a name in every hierarchy, even if they are made later."""
    shell = which("sh") or "/bin/sh"
    return shell, "-c", _REMOVAL, shell, *(f"{parent}/{identity}" for parent in _parents())


def _parents() -> list[Path]:
    """Where runtimes make cgroups: at the top of a hierarchy, or in the one that we are in ourselves."""
    ours = {line.split(":", 2)[2].strip("/") for line in Path("/proc/self/cgroup").read_text().splitlines()}
    tops = [_CGROUPS, *(top for top in _CGROUPS.iterdir() if top.is_dir())]
    return [top / path for top in tops for path in sorted({"", *ours}) if (top / path).is_dir()]
