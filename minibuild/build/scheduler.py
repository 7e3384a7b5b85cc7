"""Stages side by side: each is built once, in a thread of its own where it is known early that it will be needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from minibuild.runtimes.base import Cancellation
from minibuild.values import dataclass, field

T = TypeVar("T")


@dataclass
class _Promise(Generic[T]):
    """What a stage will come to."""

    kept: threading.Event = field(default_factory=threading.Event)
    result: T | None = None
    error: BaseException | None = None


@dataclass
class Scheduler(Generic[T]):
    """Answers stages by their index; ``build`` builds one and may ask for others, which it must not go round in
    circles.

    ``cancellation`` stops all of them: whoever fails sets it, so that nobody works on for a build that is lost.
    """

    build: Callable[[int], T]
    cancellation: Cancellation
    first_error: BaseException | None = None
    _promises: dict[int, _Promise[T]] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, index: int) -> None:
        """Begins to build a stage in a thread of its own, unless it is begun already."""
        promise = self._begin(index)
        if promise is not None:
            thread = threading.Thread(target=self._keep, args=(index, promise), name=f"stage-{index}")
            self._threads.append(thread)
            thread.start()

    def result(self, index: int) -> T:
        """What a stage came to; built here and now where nobody has begun. Raises what building it raised."""
        mine = self._begin(index)
        if mine is not None:
            self._keep(index, mine)
        promise = self._promises[index]
        promise.kept.wait()
        if promise.error is not None:
            raise promise.error
        assert promise.result is not None
        return promise.result

    def forget_failures(self, cancellation: Cancellation) -> None:
        """Lets what failed or was cancelled be asked for once more; whoever fails now sets this."""
        self.cancellation, self.first_error = cancellation, None
        self._promises = {index: promise for index, promise in self._promises.items() if promise.error is None}

    def close(self) -> None:
        """Waits for all threads; those still at work when nobody waits for them are cancelled."""
        if any(not promise.kept.is_set() for promise in self._promises.values()):
            self.cancellation.set()
        for thread in self._threads:
            thread.join()

    def _begin(self, index: int) -> _Promise[T] | None:
        with self._lock:
            if index in self._promises:
                return None
            self._promises[index] = _Promise()
            return self._promises[index]

    def _keep(self, index: int, promise: _Promise[T]) -> None:
        try:
            promise.result = self.build(index)
        except BaseException as error:
            promise.error = error
            with self._lock:
                self.first_error = self.first_error or error
            self.cancellation.set()
        finally:
            promise.kept.set()
