"""Devices by their numbers, whatever ``/dev`` shows of them: a container's has none that came later."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from minibuild.sandbox import syscalls

# Linux, Documentation/admin-guide/devices.txt: these numbers are the same everywhere.
LOOP_CONTROL = os.makedev(10, 237)
_LOOP_MAJOR = 7
_LOOP_GET_FREE = 0x4C82
_LOOP_CONFIGURE = 0x4C0A
_LOOP_STATUS = 0x4C05
_LOOP_AUTOCLEAR = 4
# linux/loop.h: the file's descriptor, a block size, 52 bytes that we say nothing in, flags, the file's name.
_LOOP_CONFIG = struct.Struct("II52xI64s176x")
_LOOP_INFO = struct.Struct("QQ216x")  # the device that the file is on, its inode


class Node(NamedTuple):
    """A device node. ``directory`` is the descriptor by way of which its ``path`` leads there, for a program that is
    to inherit it.
    """

    directory: int

    @property
    def path(self) -> str:
        """The node, for this process."""
        return f"/proc/self/fd/{self.directory}/device"


@contextmanager
def node(kind: int, number: int) -> Iterator[Node]:
    """A node of a device, ``S_IFBLK`` or ``S_IFCHR``, in a directory in memory that nobody else sees.

    Raises PermissionError for who isn't root of the machine.
    """
    context = syscalls.fsopen("tmpfs")
    try:
        syscalls.fsconfig_create(context)
        directory = syscalls.fsmount(context, 0)
    finally:
        os.close(context)
    try:
        os.mknod("device", kind | 0o600, number, dir_fd=directory)
        yield Node(directory)
    finally:
        os.close(directory)


def open_device(kind: int, number: int) -> int:
    """A descriptor of a device, to read and write; the caller closes it."""
    with node(kind, number) as found:
        return os.open(found.path, os.O_RDWR | os.O_CLOEXEC)


@contextmanager
def loop_device(path: str) -> Iterator[int]:
    """The number of a loop device that has a file in it: a block device until the last who has it open closes it, which
    while the block lasts is us.
    """
    with open(path, "r+b", buffering=0) as file:
        device = _attached(file.fileno(), path)
    try:
        yield os.fstat(device).st_rdev
    finally:
        os.close(device)


def _attached(file: int, path: str) -> int:
    config = _LOOP_CONFIG.pack(file, 0, _LOOP_AUTOCLEAR, os.fsencode(path)[-63:])
    control = open_device(stat.S_IFCHR, LOOP_CONTROL)
    try:
        while True:
            device = open_device(stat.S_IFBLK, os.makedev(_LOOP_MAJOR, fcntl.ioctl(control, _LOOP_GET_FREE)))
            try:
                fcntl.ioctl(device, _LOOP_CONFIGURE, config)
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:  # somebody else was faster
                    raise
            else:
                return device
    finally:
        os.close(control)


def is_looped(path: str) -> bool:
    """Some loop device has a file in it."""
    status = os.stat(path)
    for name in os.listdir("/sys/block"):
        if name.startswith("loop") and os.path.isdir(f"/sys/block/{name}/loop"):
            info = bytearray(_LOOP_INFO.size)
            with suppress(OSError):  # it has let go of its file meanwhile
                device = open_device(stat.S_IFBLK, os.makedev(_LOOP_MAJOR, int(name.removeprefix("loop"))))
                try:
                    fcntl.ioctl(device, _LOOP_STATUS, info)
                finally:
                    os.close(device)
                if _LOOP_INFO.unpack(info) == (status.st_dev, status.st_ino):
                    return True
    return False
