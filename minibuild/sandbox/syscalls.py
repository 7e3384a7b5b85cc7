"""Linux system calls that Python 3.11 lacks, by ctypes. What fails raises OSError, as the functions of ``os`` do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_SLAVE = 0x80000

MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 0x1
MOUNT_ATTR_NODEV = 0x4
MOUNT_ATTR_NOATIME = 0x10

PR_SET_PDEATHSIG = 1
PR_CAPBSET_READ = 23
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
_CAPABILITY_VERSION_3 = 0x20080522

# The numbers of calls that came after 2019 are the same on every architecture.
_OPEN_TREE = 428
_MOVE_MOUNT = 429
_FSOPEN = 430
_FSCONFIG = 431
_FSMOUNT = 432
_FSPICK = 433
_MOUNT_SETATTR = 442

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_CLOEXEC = 1
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_FSPICK_EMPTY_PATH = 8
_FSCONFIG_SET_FLAG = 0
_FSCONFIG_SET_STRING = 1
_FSCONFIG_CMD_CREATE = 6
_FSCONFIG_CMD_RECONFIGURE = 7


@cache
def _libc() -> ctypes.CDLL:
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, *paths: str | bytes | None) -> int:
    if result >= 0:
        return result
    import ctypes

    number = ctypes.get_errno()
    named = [os.fsdecode(path) for path in paths if path]
    raise OSError(number, os.strerror(number), *named[:1])


def _bytes(text: str | os.PathLike[str] | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _syscall(number: int, *arguments: int | bytes | None) -> int:
    import ctypes

    longs = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    return int(_libc().syscall(ctypes.c_long(number), *longs))


def call(number: int, *arguments: int | bytes | None) -> int:
    """Any system call, by its number on this architecture; buffers are bytes, which nothing may be written to."""
    return _checked(_syscall(number, *arguments))


def unshare(flags: int) -> None:
    """Gives the calling thread namespaces of its own. (A new pid namespace is for the children it makes.)"""
    _checked(_libc().unshare(flags))


def setns(namespace: int, kind: int) -> None:
    """Moves the calling thread into the namespace that a descriptor is of; ``kind`` is its ``CLONE_NEW…``."""
    _checked(_libc().setns(namespace, kind))


def mount(
    source: str | None, target: str | os.PathLike[str], kind: str | None = None, flags: int = 0, data: str = ""
) -> None:
    """mount(2). The kernel cuts ``data`` silently at a page less one, so a longer one is refused here (E2BIG)."""
    import ctypes
    import errno

    encoded = os.fsencode(data)
    if len(encoded) >= 4095:
        raise OSError(errno.E2BIG, "mount options are longer than a page", os.fspath(target))
    result = _libc().mount(_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), encoded)
    _checked(result, _bytes(target))


def umount(target: str | os.PathLike[str], flags: int = 0) -> None:
    """umount2(2)."""
    _checked(_libc().umount2(_bytes(target), flags), _bytes(target))


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    _checked(_libc().pivot_root(_bytes(new_root), _bytes(put_old)), _bytes(new_root))


def sethostname(name: str) -> None:
    """sethostname(2), without the import of ``socket``."""
    encoded = name.encode()
    _checked(_libc().sethostname(encoded, len(encoded)))


def prctl(option: int, argument: int) -> int:
    """prctl(2) with one argument."""
    import ctypes

    zero = ctypes.c_ulong(0)
    return _checked(_libc().prctl(option, ctypes.c_ulong(argument), zero, zero, zero))


def has_filters() -> bool:
    """The kernel takes programs that filter system calls."""
    import ctypes
    import errno

    # Of one that knows the mode, a program at address zero is a bad address.
    return _libc().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, None) < 0 and ctypes.get_errno() == errno.EFAULT


def set_filter(program: bytes) -> None:
    """Filters all system calls that the calling thread makes from now on, and whatever it starts, by a program of
    classic BPF. Takes CAP_SYS_ADMIN, or no_new_privs.
    """
    with _described(program) as described:
        _checked(_libc().prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described))


def listen(number: int, program: bytes) -> int:
    """Sets a filter that may ask us, and answers the descriptor of what it asks; ``number`` is seccomp(2)'s on this
    architecture.
    """
    with _described(program) as described:
        return call(number, _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_NEW_LISTENER, described)


@contextmanager
def _described(program: bytes) -> Iterator[bytes]:
    """A ``struct sock_fprog``, which points at a copy of the instructions for as long as the block lasts."""
    import ctypes
    import struct

    instructions = ctypes.create_string_buffer(program, len(program))
    yield struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))


def clear_inheritable() -> None:
    """Empties the calling thread's inheritable capabilities, and with them the ambient ones."""
    import ctypes
    import struct

    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    sets = ctypes.create_string_buffer(24)  # twice (effective, permitted, inheritable): the low and the high 32
    _checked(_libc().capget(header, sets))
    low, high = struct.unpack("3I3I", sets.raw)[0:2], struct.unpack("3I3I", sets.raw)[3:5]
    _checked(_libc().capset(header, struct.pack("3I3I", *low, 0, *high, 0)))


def fsopen(kind: str) -> int:
    """Begins a new filesystem of that kind; the caller closes the descriptor."""
    return _checked(_syscall(_FSOPEN, _bytes(kind), _CLOEXEC))


def fsconfig_string(context: int, key: str, value: str | os.PathLike[str]) -> None:
    """Sets an option of a filesystem begun by ``fsopen``: at most 255 bytes, and nothing in them needs an escape."""
    _checked(_syscall(_FSCONFIG, context, _FSCONFIG_SET_STRING, _bytes(key), _bytes(value), 0), _bytes(value))


def fsconfig_flag(context: int, key: str) -> None:
    """Sets an option that has no value."""
    _checked(_syscall(_FSCONFIG, context, _FSCONFIG_SET_FLAG, _bytes(key), None, 0))


def fsconfig_create(context: int) -> None:
    """Makes the filesystem of what was set."""
    _checked(_syscall(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0))


def fsconfig_reconfigure(context: int) -> None:
    """Makes what was set hold for a filesystem picked by ``fspick``."""
    _checked(_syscall(_FSCONFIG, context, _FSCONFIG_CMD_RECONFIGURE, None, None, 0))


def fspick(mounted: int) -> int:
    """Takes a mounted filesystem, given by its mount's descriptor, to change it; the caller closes the descriptor."""
    return _checked(_syscall(_FSPICK, mounted, b"", _FSPICK_EMPTY_PATH | _CLOEXEC))


def syncfs(descriptor: int) -> None:
    """syncfs(2): writes a filesystem's changes out; OSError also where something since the opening couldn't be."""
    _checked(_libc().syncfs(descriptor))


def fsmount(context: int, attributes: int) -> int:
    """A mount of the filesystem that stands nowhere yet; the caller closes the descriptor."""
    return _checked(_syscall(_FSMOUNT, context, _CLOEXEC, attributes))


def open_tree(path: str | os.PathLike[str]) -> int:
    """A copy of what is mounted at a path, and below it, that stands nowhere yet; the caller closes the descriptor."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_RECURSIVE
    return _checked(_syscall(_OPEN_TREE, _AT_FDCWD, _bytes(path), flags), _bytes(path))


def mount_setattr(mounted: int, attributes: int) -> None:
    """Sets attributes (``MOUNT_ATTR_…``) of a mount given by its descriptor, and of all below it."""
    import struct

    words = struct.pack("QQQQ", attributes, 0, 0, 0)
    _checked(_syscall(_MOUNT_SETATTR, mounted, b"", _AT_EMPTY_PATH | _AT_RECURSIVE, words, len(words)))


def move_mount(mounted: int, target: str | os.PathLike[str]) -> None:
    """Puts a mount that stands nowhere at a path."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH
    _checked(_syscall(_MOVE_MOUNT, mounted, b"", _AT_FDCWD, _bytes(target), flags), _bytes(target))
