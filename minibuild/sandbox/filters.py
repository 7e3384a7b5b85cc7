"""Which system calls of programs are answered for the kernel where owners are recorded, as a filter of its own.

Giving files away, making devices, touching links and asking whose something is goes to who keeps owners
(``keeping``); where there can be none, what only root may is said to have been done. Becoming somebody else always is:
root of a single id has nobody to become.
Source: the kernel's Documentation/userspace-api/seccomp_filter.rst, seccomp.h, and its tables of system calls.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple

RET_ALLOW = 0x7FFF0000
RET_DONE = 0x00050000  # SECCOMP_RET_ERRNO, of no error
RET_NOTIFY = 0x7FC00000

AT_SYMLINK_NOFOLLOW = 0x100

_LOAD, _AND, _IF_EQUAL, _IF_SET, _RETURN = 0x20, 0x54, 0x15, 0x45, 0x06
_OF_CALL, _OF_ARCHITECTURE, _OF_ARGUMENTS = 0, 4, 16

_SWITCHING = ("setuid", "setgid", "setreuid", "setregid", "setgroups", "setresuid", "setresgid", "setfsuid", "setfsgid")
_GIVING = ("chown", "fchown", "lchown", "fchownat")
_MAKING = {"mknod": 1, "mknodat": 2}
"""Which argument is the mode."""


class Layout(NamedTuple):
    """Where a ``struct stat`` of 64 bits has mode, owner, group and the number of a device."""

    mode: int
    uid: int
    gid: int
    device: int


class Architecture(NamedTuple):
    """What a processor's kind is to the kernel: its AUDIT_ARCH, the number of seccomp(2), those of the other calls."""

    audit: int
    seccomp: int
    calls: Mapping[str, int]
    status: Layout


_LOOKING = ("stat", "lstat", "fstat", "newfstatat", "statx")
_NAMES = (*_GIVING, *_MAKING, "utimensat", *_SWITCHING, *_LOOKING)
_ARCHITECTURES = {
    "x86_64": Architecture(
        0xC000003E,
        317,
        dict(
            zip(
                _NAMES,
                (92, 93, 94, 260, 133, 259, 280, 105, 106, 113, 114, 116, 117, 119, 122, 123, 4, 6, 5, 262, 332),
                strict=True,
            )
        ),
        Layout(24, 28, 32, 40),
    ),
    "aarch64": Architecture(
        0xC00000B7,
        277,
        dict(
            zip(
                _NAMES,
                (-1, 55, -1, 54, -1, 33, 88, 146, 144, 145, 143, 159, 147, 149, 151, 152, -1, -1, 80, 79, 291),
                strict=True,
            )
        ),
        Layout(16, 24, 28, 32),
    ),
}


def architecture() -> Architecture | None:
    """This machine's; None where we know none of its numbers."""
    return _ARCHITECTURES.get(os.uname().machine)


def program(machine: Architecture, answer: int) -> bytes:
    """The filter, as instructions of the kernel's: ``answer`` is what becomes of what has to do with owners."""
    code = [(_LOAD, 0, 0, _OF_ARCHITECTURE), (_IF_EQUAL, 1, 0, machine.audit), (_RETURN, 0, 0, RET_ALLOW)]
    code.append((_LOAD, 0, 0, _OF_CALL))
    for name, number in machine.calls.items():
        if number < 0:
            continue
        block = list(_block(name, answer))
        code += [(_IF_EQUAL, 0, len(block), number), *block]
    code.append((_RETURN, 0, 0, RET_ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def _block(name: str, answer: int) -> Iterator[tuple[int, int, int, int]]:
    """What follows on a call of that name."""
    if name in _SWITCHING:
        yield (_RETURN, 0, 0, RET_DONE)
        return
    if name in _MAKING:
        yield (_LOAD, 0, 0, _OF_ARGUMENTS + 8 * _MAKING[name])
        yield (_AND, 0, 0, 0o170000)
        yield (_IF_EQUAL, 2, 0, stat.S_IFCHR)
        yield (_IF_EQUAL, 1, 0, stat.S_IFBLK)
        yield (_RETURN, 0, 0, RET_ALLOW)
    elif name == "utimensat":
        yield (_LOAD, 0, 0, _OF_ARGUMENTS + 8 * 3)
        yield (_IF_SET, 1, 0, AT_SYMLINK_NOFOLLOW)
        yield (_RETURN, 0, 0, RET_ALLOW)
    can_be_said = name in _GIVING or name in _MAKING
    yield (_RETURN, 0, 0, answer if can_be_said or answer == RET_NOTIFY else RET_ALLOW)
