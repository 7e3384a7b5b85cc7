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
from functools import cache
from typing import NamedTuple

from minibuild.sandbox.calls import AUDIT, numbers_of

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
    """How long a ``struct stat`` of 64 bits is, and where it has mode, owner, group and the number of a device."""

    size: int
    mode: int
    uid: int
    gid: int
    device: int


class Architecture(NamedTuple):
    """What a processor's kind is to the kernel: its AUDIT_ARCH, the numbers of the calls that it has."""

    audit: int
    calls: Mapping[str, int]
    status: Layout


_LOOKING = ("stat", "lstat", "fstat", "newfstatat", "statx")
_NAMES = (*_GIVING, *_MAKING, "utimensat", *_SWITCHING, *_LOOKING)
# By what uname(2) says.
_PROCESSORS = {"x86_64": ("amd64", Layout(144, 24, 28, 32, 40)), "aarch64": ("arm64", Layout(128, 16, 24, 28, 32))}


@cache
def architecture() -> Architecture | None:
    """This machine's; None where we know none of its numbers."""
    machine = os.uname().machine
    if machine not in _PROCESSORS:
        return None
    processor, layout = _PROCESSORS[machine]
    return Architecture(AUDIT[processor], numbers_of(processor) or {}, layout)


def program(machine: Architecture, answer: int) -> bytes:
    """The filter, as instructions of the kernel's: ``answer`` is what becomes of what has to do with owners."""
    code = [(_LOAD, 0, 0, _OF_ARCHITECTURE), (_IF_EQUAL, 1, 0, machine.audit), (_RETURN, 0, 0, RET_ALLOW)]
    code.append((_LOAD, 0, 0, _OF_CALL))
    for name in filter(machine.calls.__contains__, _NAMES):
        block = list(_block(name, answer))
        code += [(_IF_EQUAL, 0, len(block), machine.calls[name]), *block]
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
