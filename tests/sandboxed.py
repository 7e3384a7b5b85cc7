"""Runs a program that can make no namespace and no mount: ``sandboxed.py kill|refuse COMMAND…``.

A seccomp filter kills the process, or answers EPERM, on unshare, setns, chroot, mount, the new mount API and on clone
with a namespace flag; clone3, whose flags no filter can see, answers ENOSYS, upon which the C library takes clone.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, NO_SUCH_CALL = 0x7FFF0000, 0x00050000 | 38
ANSWERS = {"kill": 0x80000000, "refuse": 0x00050000 | 1}
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
CALL, FIRST_ARGUMENT = 0, 16
CLONE3 = 435
NAMESPACE_FLAGS = 0x7E020000
# unshare, setns, mount, pivot_root, chroot, clone; then open_tree to fsmount, which have one number everywhere
CALLS = {"x86_64": ((272, 308, 165, 155, 161), 56), "aarch64": ((97, 268, 40, 41, 51), 220)}
NEW_MOUNT_CALLS = (428, 429, 430, 431, 432, 442)


def main(manner: str, *command: str) -> None:
    """Installs the filter, then becomes the command."""
    program = _program(ANSWERS[manner])
    instructions = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count, padding, a pointer.
    wanted = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, wanted, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    os.execvp(command[0], command)


def _program(answer: int) -> bytes:
    calls, clone = CALLS[platform.machine()]
    refused = [
        (_instruction(EQUAL, 0, 1, call), _instruction(RETURN, 0, 0, answer)) for call in calls + NEW_MOUNT_CALLS
    ]
    return b"".join(
        [
            _instruction(LOAD, 0, 0, CALL),
            *(instruction for pair in refused for instruction in pair),
            _instruction(EQUAL, 0, 1, CLONE3),
            _instruction(RETURN, 0, 0, NO_SUCH_CALL),
            _instruction(EQUAL, 0, 3, clone),
            _instruction(LOAD, 0, 0, FIRST_ARGUMENT),
            _instruction(ANY_BIT, 0, 1, NAMESPACE_FLAGS),
            _instruction(RETURN, 0, 0, answer),
            _instruction(RETURN, 0, 0, ALLOW),
        ]
    )


def _instruction(code: int, if_true: int, if_false: int, operand: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, operand)


if __name__ == "__main__":
    main(*sys.argv[1:])
