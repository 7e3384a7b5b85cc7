"""Layers written in the background: a RUN's changes are packed while the next step already runs on top of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from minibuild.layers.entry import Change
from minibuild.oci import Layer
from minibuild.store import Store
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor


@dataclass(frozen=True, slots=True)
class ChainedLayer:
    """A layer of a stage and the chain that names the tree up to it.

    The layer may still be in the writing; then ``layer()`` waits, and raises what went wrong.
    """

    chain: str
    layer: Callable[[], Layer]
    is_written: Callable[[], bool]

    @classmethod
    def of(cls, chain: str, layer: Layer) -> ChainedLayer:
        """One whose layer is there."""
        return cls(chain, lambda: layer, lambda: True)


@dataclass
class Committer:
    """Writes layers in one background thread, in the order in which they were handed in."""

    store: Store
    _pool: ThreadPoolExecutor | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def commit(self, chain: str, changes: Callable[[], Iterable[Change]]) -> ChainedLayer:
        """Starts to write a layer of changes, which are asked for in the background thread."""
        with self._lock:
            if self._pool is None:
                from concurrent.futures import ThreadPoolExecutor

                self._pool = ThreadPoolExecutor(1, thread_name_prefix="commit")
        future: Future[Layer] = self._pool.submit(lambda: self.store.add_layer(changes()))
        return ChainedLayer(chain, future.result, future.done)

    def close(self) -> None:
        """Waits for what is being written; drops what hasn't been begun."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
