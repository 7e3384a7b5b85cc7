"""Work in a thread of its own: the mount namespace that it may move to is no business of the caller's thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from minibuild.runtimes.base import Cancellation

T = TypeVar("T")


def in_thread(work: Callable[[], T], cancellation: Cancellation) -> T:
    """What the work answers or raises. An interrupt of the waiting caller cancels the work, and waits for its end."""
    answers: list[T] = []
    errors: list[BaseException] = []

    def catch() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=catch)
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        cancellation.set()
        thread.join()
    if errors:
        raise errors[0]
    return answers[0]
