"""A stream whose digest is judged at its end."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO, cast

from minibuild.errors import IntegrityError
from minibuild.oci import Digest

_READ_AHEAD = 64 << 10


def verified(stream: BinaryIO, digest: Digest, name: str) -> BinaryIO:
    """The stream's bytes; the read that meets its end raises IntegrityError unless they were the promised ones.

    Closing it closes the stream.
    """
    return cast(BinaryIO, io.BufferedReader(_Verified(stream, digest, name), _READ_AHEAD))


class _Verified(io.RawIOBase):
    def __init__(self, stream: BinaryIO, digest: Digest, name: str) -> None:
        self._stream = stream
        self._digest = digest
        self._name = name
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as io.BufferedReader calls it
        data = self._stream.read(len(buffer))
        if not data:
            self._judge()
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

    def _judge(self) -> None:
        found = "sha256:" + self._hash.hexdigest()
        if found != self._digest:
            raise IntegrityError(f"{self._name} has the digest {found}, its image says {self._digest}")
