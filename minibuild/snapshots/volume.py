"""A volume with a filesystem as a tree: mounted where nobody sees it, reached by way of a descriptor.

So any thread finds its files, whichever mounts that one sees, and when the last descriptor goes, if only because the
process is killed, the volume is unmounted.
"""

from __future__ import annotations

import os
import stat
import subprocess
import weakref
from pathlib import Path

from minibuild.errors import UnavailableError
from minibuild.sandbox import syscalls
from minibuild.sandbox.devices import node

FILESYSTEM = "ext4"
# No journal: what a crash leaves half written is thrown away. What isn't needed yet isn't written either, and so takes
# no blocks of the pool; nor is it written behind our back later, which "noinit_itable" is for.
_MAKE = (f"mkfs.{FILESYSTEM}", "-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "nodiscard,lazy_itable_init=1")
_LAZY = "noinit_itable"


class Tree(os.PathLike[str]):
    """A mounted volume. Whoever keeps it keeps it mounted; ``close`` is for those who can't wait."""

    def __init__(self, number: int, *, writable: bool) -> None:
        self._number, self._writable = number, writable
        mounted = _mounted(number, writable, syscalls.MOUNT_ATTR_NODEV)
        try:
            # Not O_PATH, and opened before anything is written: syncfs tells what went wrong since then.
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
            self._root = os.open(f"/proc/self/fd/{mounted}/.", flags)
        finally:
            os.close(mounted)
        self.close = weakref.finalize(self, os.close, self._root)

    def __fspath__(self) -> str:
        return f"/proc/self/fd/{self._root}/."  # without the dot it would be a symlink

    def show(self, target: Path, attributes: int) -> None:
        """Mounts it once more, at a path."""
        mounted = _mounted(self._number, self._writable, attributes)
        try:
            syscalls.move_mount(mounted, target)
        finally:
            os.close(mounted)

    def is_full(self) -> bool:
        """There is no room in it for a file."""
        status = os.statvfs(self)
        return status.f_bavail * status.f_frsize < 1 << 20 or not status.f_favail

    def seal(self) -> None:
        """Writes all out; from now on nothing can be written to it, by whomever. Raises OSError where something that
        was written before couldn't be.
        """
        syscalls.syncfs(self._root)
        filesystem = syscalls.fspick(self._root)
        try:
            syscalls.fsconfig_flag(filesystem, "ro")
            syscalls.fsconfig_reconfigure(filesystem)
        finally:
            os.close(filesystem)
        self._writable = False


def make_filesystem(number: int) -> None:
    """Makes an empty tree out of an empty volume. Raises UnavailableError where the program is missing or refuses."""
    with node(stat.S_IFBLK, number) as found:
        try:
            done = subprocess.run(
                [*_MAKE, found.path],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                pass_fds=(found.directory,),
            )
        except FileNotFoundError as error:
            raise UnavailableError(f"{_MAKE[0]} isn't installed", hint="apt-get install e2fsprogs") from error
    if done.returncode:
        raise UnavailableError(f"{_MAKE[0]} ended with status {done.returncode}: {done.stderr.strip()}")
    tree = Tree(number, writable=True)
    try:
        os.rmdir(f"{os.fspath(tree)}/lost+found")
        os.chmod(tree, 0o755)
        tree.seal()
    finally:
        tree.close()


def _mounted(number: int, writable: bool, attributes: int) -> int:
    context = syscalls.fsopen(FILESYSTEM)
    try:
        with node(stat.S_IFBLK, number) as found:
            syscalls.fsconfig_string(context, "source", found.path)
            syscalls.fsconfig_flag(context, "rw" if writable else "ro")
            syscalls.fsconfig_flag(context, _LAZY)
            syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, attributes | syscalls.MOUNT_ATTR_NOATIME)
    finally:
        os.close(context)
