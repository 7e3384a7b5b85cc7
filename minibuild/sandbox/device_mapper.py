"""The kernel's device mapper by ioctl: block devices made of others by a table, here of one row.

A device that nobody has open can be told to go; one that is open, to go with the last who has it open, however that
one ends: so nothing is left of a process that was killed. Udev is told to leave all of them alone.
Source: Linux, include/uapi/linux/dm-ioctl.h; libdevmapper.h for udev's flags.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
from contextlib import suppress
from typing import NamedTuple

from minibuild.sandbox.devices import open_device

_CONTROL = os.makedev(10, 236)
_LIST, _CREATE, _REMOVE, _RESUME, _LOAD, _STATUS, _MESSAGE, _TARGET_VERSION = 2, 3, 4, 6, 9, 12, 14, 17

_READ_ONLY, _IS_ACTIVE, _DEFERRED = 1 << 0, 1 << 5, 1 << 17
# No symlinks, no probing of what is on it, no rules of others; and these words are all there are of this event.
_LEAVE_ALONE = (0x1 | 0x2 | 0x4 | 0x8 | 0x40) << 16

# Version (3), bytes, where data start, rows, by how many it is open, flags, event, number, name.
_HEADER = struct.Struct("6Ii2I4xQ128s136x")
_ROW = struct.Struct("QQiI16s")  # first sector, sectors, status, bytes to the next row, target
_NAME = struct.Struct("QI")  # number, bytes to the next name
_BUFFER_BYTES = 1 << 16


class Device(NamedTuple):
    """A device: its number, by how many it is open, and the status of its one row, "" before it has one."""

    number: int
    opened: int
    status: str


def can_make(target: str) -> bool:
    """The kernel knows a kind of row, such as ``thin-pool``. Raises OSError where there is no device mapper."""
    try:
        _ask(_TARGET_VERSION, target)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False
        raise
    return True


def create(name: str, sectors: int, target: str, words: str, *, read_only: bool = False) -> None:
    """Makes a device out of one row; raises FileExistsError where there is one of that name already."""
    flags = _READ_ONLY if read_only else 0
    try:
        _ask(_CREATE, name)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name) from error
        raise
    try:
        text = words.encode() + b"\0"
        _ask(_LOAD, name, _ROW.pack(0, sectors, 0, 0, target.encode()) + text, flags=flags)
        _ask(_RESUME, name, flags=flags, event=_LEAVE_ALONE)
    except OSError:
        with suppress(OSError):
            remove(name)
        raise


def find(name: str = "", number: int = 0) -> Device | None:
    """A device, by name or by number; None where there is none."""
    try:
        header, data = _ask(_STATUS, name, number=number)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
    status = data[_ROW.size :].split(b"\0")[0].decode() if header.flags & _IS_ACTIVE else ""
    return Device(header.number, header.opened, status)


def names(prefix: str) -> list[str]:
    """The names of all devices that begin so."""
    _, data = _ask(_LIST)
    found, at = [], 0
    while True:
        number, step = _NAME.unpack_from(data, at)
        name = data[at + _NAME.size :].split(b"\0")[0].decode()
        if number and name.startswith(prefix):
            found.append(name)
        if not step:
            return found
        at += step


def remove(name: str) -> None:
    """Removes a device; raises OSError EBUSY where it is open, ENXIO where there is none."""
    _ask(_REMOVE, name, event=_LEAVE_ALONE)


def remove_with_last(name: str) -> None:
    """Removes a device as soon as nobody has it open any more."""
    _ask(_REMOVE, name, flags=_DEFERRED, event=_LEAVE_ALONE)


def tell(number: int, message: str) -> None:
    """Has a device's row do something."""
    _ask(_MESSAGE, number=number, data=struct.pack("Q", 0) + message.encode() + b"\0")


class _Answer(NamedTuple):
    flags: int
    opened: int
    number: int


def _ask(
    request: int, name: str = "", data: bytes = b"", *, number: int = 0, flags: int = 0, event: int = 0
) -> tuple[_Answer, bytes]:
    """What the kernel answers to a request, and the bytes that come with it."""
    buffer = bytearray(_BUFFER_BYTES)
    start, rows = _HEADER.size, int(request == _LOAD)
    _HEADER.pack_into(buffer, 0, 4, 0, 0, _BUFFER_BYTES, start, rows, 0, flags, event, number, name.encode())
    buffer[start : start + len(data)] = data
    control = open_device(stat.S_IFCHR, _CONTROL)
    try:
        fcntl.ioctl(control, 0xC138FD00 | request, buffer)
    finally:
        os.close(control)
    *_, start, _, opened, flags, _, number, _ = _HEADER.unpack_from(buffer)
    return _Answer(flags, opened, number), bytes(buffer[start:])
