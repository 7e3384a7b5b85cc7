"""Programs in memory that nothing can write to, for runtimes that start themselves anew from such a copy.

A container could reach the program that entered it, and overwrite it on the host (CVE-2019-5736): so crun copies
itself each time, and begins again, unless it finds itself so already. One copy for all RUNs of a build saves each of
them one of its two starts.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

_SEALS = 0x1 | 0x2 | 0x4 | 0x8  # F_SEAL_SEAL, _SHRINK, _GROW, _WRITE


def from_copy(path: str) -> dict[str, Any]:
    """Options of subprocess.Popen that start a program from its copy; none where there can't be one."""
    descriptor = _copy(path)
    return {} if descriptor is None else {"executable": f"/proc/self/fd/{descriptor}", "pass_fds": [descriptor]}


@cache
def _copy(path: str) -> int | None:
    import fcntl

    try:
        descriptor = os.memfd_create(os.path.basename(path), os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        with open(path, "rb") as file, open(descriptor, "wb", closefd=False) as copy:
            copy.write(file.read())
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        return None
    # Some machines have nothing executed that lies in memory (vm.memfd_noexec).
    return descriptor if os.fstat(descriptor).st_mode & 0o111 else None
