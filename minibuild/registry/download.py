"""A blob on its way: taken up where a connection was cut, never longer than it should be, verified as it is read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from minibuild.errors import IntegrityError
from minibuild.oci import Descriptor
from minibuild.registry.connections import Answer
from minibuild.registry.failures import Cut
from minibuild.registry.session import Session

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE = 256 * 1024
# A connection that brought this much before it broke was worth making: its successor gets full patience again.
_WORTHWHILE = 1 << 20


class Download(io.RawIOBase):
    """The bytes of a blob, as many as its descriptor says. Their digest is for whoever takes them to verify.

    ``first`` is the answer that brings it; ``start`` asks for it from an offset on.
    """

    def __init__(self, first: Answer, start: Callable[[int], Answer], descriptor: Descriptor, session: Session) -> None:
        super().__init__()
        self._answer = first
        self._start = start
        self._size = descriptor.size
        self._session = session
        self._position = 0
        self._resumed_at = 0
        self._cuts = 0

    def __iter__(self) -> Iterator[bytes]:
        """The pieces of the blob, of whatever sizes they come in."""
        while piece := self.read(PIECE):
            yield piece

    def read(self, size: int = -1, /) -> bytes:
        """What has come meanwhile, at most so many bytes; b"" once the whole blob has been given.
        Raises Cut when the connection has broken too often.
        """
        if size < 0:
            return b"".join(self)
        while size and self._position < self._size:
            try:
                piece = self._answer.read(min(size, self._size - self._position))
            except Cut:
                piece = b""
            if piece:
                self._position += len(piece)
                return piece
            self._resume()
        return b""

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills the start of the buffer, as ``read`` does."""
        view = memoryview(buffer).cast("B")
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._answer.close()
        super().close()

    def _resume(self) -> None:
        self._answer.close()
        patience = self._session.patience
        self._cuts = 1 if self._position - self._resumed_at >= _WORTHWHILE else self._cuts + 1
        if self._cuts >= patience.attempts:
            raise Cut(f"the connection was cut {self._cuts} times, at last at {self._position} of {self._size} bytes")
        self._session.connections.sleep(patience.pause(self._cuts))
        self._resumed_at = self._position
        self._answer = self._start(self._position)


class Verified(io.RawIOBase):
    """The bytes of a download; raises IntegrityError in the place of the last ones, if the digest isn't theirs."""

    def __init__(self, download: Download, descriptor: Descriptor) -> None:
        super().__init__()
        self._download = download
        self._digest = descriptor.digest
        self._missing = descriptor.size
        self._hash = hashlib.sha256()

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills the start of the buffer with what has come meanwhile; 0 at the end."""
        view = memoryview(buffer).cast("B")
        count = self._download.readinto(view)
        self._hash.update(view[:count])
        self._missing -= count
        if not self._missing:
            verify(self._digest, "sha256:" + self._hash.hexdigest())
        return count

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._download.close()
        super().close()


def verify(wanted: str, found: str) -> None:
    """Raises IntegrityError that names both, where two digests differ."""
    if found != wanted:
        raise IntegrityError(f"it has digest {found}, wanted {wanted}")
