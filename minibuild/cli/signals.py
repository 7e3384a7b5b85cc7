"""Ctrl-C and SIGTERM: the first asks the build to stop and clean up, the second ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from minibuild.runtimes.base import Cancellation

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """A signal stopped the work; ``exit_code`` is what a shell makes of it (130 for Ctrl-C)."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextmanager
def interruptible() -> Iterator[Cancellation]:
    """While the block runs, a signal sets the cancellation that it gets; leaving the block raises Interrupted then.

    Whatever the block raises because it was cancelled is the interrupt's doing, and not worth a word of its own.
    """
    from minibuild.runtimes.base import Cancellation

    cancellation = Cancellation()
    received: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        if received:
            _exit_now(number)
        received.append(number)
        cancellation.set()

    with _handled_by(stop):
        try:
            yield cancellation
        except (Exception, KeyboardInterrupt) as error:
            if received:
                raise Interrupted(received[0]) from error
            raise
    if received:
        raise Interrupted(received[0])


@contextmanager
def raising() -> Iterator[None]:
    """While the block runs, a signal raises Interrupted in the main thread: for work that can't be cancelled."""

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        raise Interrupted(number)

    with _handled_by(stop):
        yield


def _exit_now(number: int) -> NoReturn:
    if os.isatty(2):
        os.write(2, _SHOW_CURSOR)
    os._exit(128 + number)


@contextmanager
def _handled_by(handler: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Python lets no other thread set handlers
        yield
        return
    # What was ignored stays ignored: nohup, and background jobs of a shell without job control.
    chosen = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in chosen}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
