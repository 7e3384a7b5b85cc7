"""What a layer's tar is written through: digested and written a megabyte at a time, beside whoever makes it."""

from __future__ import annotations

import hashlib
from queue import Queue
from threading import Thread
from types import TracebackType
from typing import BinaryIO, Self

from minibuild.oci.digest import Digest

_BATCH = 1 << 20
_MOST_WAITING = 2


class Tape:
    """Gathers small pieces, for digesting and writing cost by the call; what fills a batch is left to a thread, since
    both let others run meanwhile. What fails there is raised by a later ``write``, or at the latest by leaving the
    block. ``size`` is what was written, ``digest`` of all of it once the block is left.
    """

    def __init__(self, sink: BinaryIO) -> None:
        self._sink, self._hash, self.size = sink, hashlib.sha256(), 0
        self._pieces: list[bytes] = []
        self._due = _BATCH
        self._batches: Queue[list[bytes]] = Queue(_MOST_WAITING)
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._thread is not None:
            self._batches.put([])
            self._thread.join()
        if kind is None:
            self._raise()
            self._put(self._pieces)

    @property
    def digest(self) -> Digest:
        """Of what went into the sink."""
        return Digest("sha256:" + self._hash.hexdigest())

    def write(self, piece: bytes) -> None:
        """Takes a piece, which comes after all before."""
        self._pieces.append(piece)
        self.size += len(piece)
        if self.size >= self._due:
            self._hand_over()

    def _hand_over(self) -> None:
        self._raise()
        if self._thread is None:
            self._thread = Thread(target=self._work, daemon=True)
            self._thread.start()
        self._batches.put(self._pieces)
        self._pieces, self._due = [], self.size + _BATCH

    def _work(self) -> None:
        while batch := self._batches.get():
            if self._error is None:  # else it only makes room, so that nobody waits for ever
                try:
                    self._put(batch)
                except BaseException as error:
                    self._error = error

    def _put(self, pieces: list[bytes]) -> None:
        data = b"".join(pieces)
        self._hash.update(data)
        self._sink.write(data)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
