"""The first process of a virtual machine: ``virtual_inside.py DIRECTORY MODULE,… COMMAND…``.

Mounts what a machine has mounted, loads kernel modules, runs the command, leaves its output and its status in the
directory, and switches the machine off.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from minibuild.sandbox import syscalls

MODULES = Path("/usr/lib/uml/modules")
MOUNTS = {"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/run": "tmpfs", "/sys/fs/cgroup": "cgroup2"}
FINIT_MODULE = 313  # x86-64, as user-mode-linux is
POWER_OFF = 0x4321FEDC
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
libc = ctypes.CDLL(None, use_errno=True)


def main(directory: str, modules: str, *command: str) -> None:
    """Whatever happens, the machine ends."""
    try:
        for place, kind in MOUNTS.items():
            if not os.path.ismount(place):
                syscalls.mount(kind, place, kind)
        syscalls.mount("none", directory, "hostfs", 0, directory)
        for module in modules.split(","):
            load(module)
        surroundings = {"PATH": PATH, "HOME": "/run", "TMPDIR": "/run", "XDG_RUNTIME_DIR": "/run"}
        with open(f"{directory}/output", "wb") as output:
            done = subprocess.run(
                command, cwd=Path(__file__).parent.parent, env=os.environ | surroundings, stdout=output, stderr=output
            )
        Path(directory, "status").write_text(str(done.returncode))
    except BaseException:
        traceback.print_exc()  # on the console
    finally:
        os.sync()
        libc.reboot(POWER_OFF)


def load(module: str) -> None:
    """Loads a module of the kernel that runs; those it needs must have come before."""
    [path] = (MODULES / os.uname().release).rglob(f"{module}.ko")
    descriptor = os.open(path, os.O_RDONLY)
    if libc.syscall(FINIT_MODULE, descriptor, b"", 0):
        raise OSError(ctypes.get_errno(), f"{module} can't be loaded")
    os.close(descriptor)


if __name__ == "__main__":
    main(*sys.argv[1:])
