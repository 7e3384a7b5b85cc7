"""Follows a program in its cradle to the end: lines as they come, a cancellation at once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from minibuild.events import Stream
from minibuild.runtimes.base import Cancellation, OutputLine
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from subprocess import Popen

KILLED = 137
# A line that goes on for longer (a program that draws progress with \r alone) is cut.
_LONGEST = 1 << 16


@dataclass(slots=True)
class Lines:
    """Bytes of one stream, in whatever pieces they come, as lines."""

    stream: Stream
    output: OutputLine
    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> None:
        """Takes more bytes and reports the lines that they end."""
        self._rest += data
        *lines, rest = self._rest.split(b"\n") if b"\n" in data else [self._rest]
        for line in lines:
            self._report(line)
        while len(rest) > _LONGEST:
            cut = _LONGEST
            while cut > _LONGEST - 4 and rest[cut] & 0xC0 == 0x80:  # not within a character
                cut -= 1
            self._report(rest[:cut])
            rest = rest[cut:]
        self._rest = bytearray(rest)

    def end(self) -> None:
        """Reports what came after the last line end."""
        if self._rest:
            self._report(self._rest)
            self._rest = bytearray()

    def _report(self, line: bytes | bytearray) -> None:
        self.output(line.decode("utf-8", "replace"), self.stream)


class Started(Protocol):
    """A program that runs, with whatever holds it."""

    process: Popen[bytes]

    def kill(self) -> None:
        """Kills all that it started; from any thread, or a signal handler."""

    def wait(self) -> int:
        """Waits for the program; answers its status as a shell sees it."""

    def close(self) -> None:
        """Kills whatever still lives, and waits until it is gone."""


def follow(started: Started, output: OutputLine, cancellation: Cancellation) -> int:
    """Reports lines until the program has ended and all of its output has come; answers its status.

    What the program left running is killed then, as it is in a container. A program without pipes (it has our own
    streams) is just waited for.
    """
    with cancellation.telling(started.kill):
        try:
            if cancellation:
                started.kill()
            if started.process.stdout and started.process.stderr:
                _pump(started, output)
            status = started.wait()
        finally:
            started.close()
    return KILLED if cancellation else status


def _pump(started: Started, output: OutputLine) -> None:
    import selectors

    process = started.process
    assert process.stdout and process.stderr
    ended = os.pidfd_open(process.pid)
    with selectors.DefaultSelector() as selector, process.stdout, process.stderr:
        try:
            selector.register(process.stdout, selectors.EVENT_READ, Lines("stdout", output))
            selector.register(process.stderr, selectors.EVENT_READ, Lines("stderr", output))
            selector.register(ended, selectors.EVENT_READ)
            while len(selector.get_map()) > (ended in selector.get_map()):
                for key, _ in selector.select():
                    if key.data is None:
                        selector.unregister(ended)
                        started.kill()
                    elif data := os.read(key.fd, 1 << 16):
                        key.data.feed(data)
                    else:
                        key.data.end()
                        selector.unregister(key.fileobj)
        finally:
            os.close(ended)
