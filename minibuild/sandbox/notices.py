"""System calls that the kernel asks us about before it does them: seccomp's user notifications.

Source: seccomp_unotify(2); the structures are those of linux/seccomp.h, 80, 24 and 8 bytes long.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import struct
from contextlib import suppress
from typing import NamedTuple, Self

from minibuild.sandbox import filters, syscalls
from minibuild.values import dataclass

_RECEIVE, _SEND, _IS_VALID = 0xC0502100, 0xC0182101, 0x40082102
_NOTICE = struct.Struct("=QIIiIQ6Q")  # id, thread, flags, number, architecture, instruction, arguments
_ANSWER = struct.Struct("=Qqii")  # id, value, -errno, flags
_CONTINUE = 1


class Notice(NamedTuple):
    """A thread that waits to be told what a system call came to."""

    id: int
    thread: int
    number: int
    arguments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the notices of a thread, and of all that it starts, arrive."""

    descriptor: int

    @classmethod
    def install(cls) -> Self | None:
        """Puts the calling thread under the filter, for good; None where nobody can listen, and all is said to be done.

        Raises OSError where no filter can be had at all.
        """
        machine = filters.architecture()
        if machine is None:
            raise OSError(errno.ENOSYS, f"no system calls are known of {os.uname().machine}")
        try:
            return cls(syscalls.listen(machine.calls["seccomp"], filters.program(machine, filters.RET_NOTIFY)))
        except OSError as error:
            # Before Linux 5.0; or somebody listens to us already.
            if error.errno not in (errno.EINVAL, errno.EBUSY):
                raise
        syscalls.set_filter(filters.program(machine, filters.RET_DONE))
        return None

    def receive(self) -> Notice | None:
        """The next notice; None when nobody is left who could send one."""
        poll = select.poll()
        poll.register(self.descriptor, select.POLLIN)
        while True:
            [(_, events)] = poll.poll()
            if not events & select.POLLIN:
                return None
            buffer = bytearray(_NOTICE.size)
            with suppress(FileNotFoundError, InterruptedError):  # it was killed meanwhile
                fcntl.ioctl(self.descriptor, _RECEIVE, buffer)
                identity, thread, _, number, _, _, *arguments = _NOTICE.unpack(buffer)
                return Notice(identity, thread, number, tuple(arguments))

    def is_waiting(self, notice: Notice) -> bool:
        """The thread still waits: what we found by its number is its own."""
        try:
            fcntl.ioctl(self.descriptor, _IS_VALID, struct.pack("Q", notice.id))
        except FileNotFoundError:
            return False
        return True

    def answer(self, notice: Notice, error: int = 0) -> None:
        """Lets the thread go on: the call came to nothing but this error number, or to 0."""
        self._send(_ANSWER.pack(notice.id, 0, -error, 0))

    def leave(self, notice: Notice) -> None:
        """Lets the kernel do what was called for."""
        self._send(_ANSWER.pack(notice.id, 0, 0, _CONTINUE))

    def _send(self, answer: bytes) -> None:
        with suppress(FileNotFoundError):
            fcntl.ioctl(self.descriptor, _SEND, answer)

    def close(self) -> None:
        """Listens no more: who calls, or waits, gets ENOSYS."""
        os.close(self.descriptor)
