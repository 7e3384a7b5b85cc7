"""A thread of its own for whatever mounts: the test runner's stays in the mount namespace it was born in."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_thread(work: Callable[[], T]) -> T:
    """What the work answers or raises, done in a fresh thread."""
    answers: list[T] = []
    errors: list[BaseException] = []

    def catch() -> None:
        try:
            answers.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=catch)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return answers[0]


def isolated(test: Callable[..., None]) -> Callable[..., None]:
    """The test, run in a thread of its own."""

    @functools.wraps(test)
    def run(*arguments: object, **keywords: object) -> None:
        in_thread(lambda: test(*arguments, **keywords))

    return run
