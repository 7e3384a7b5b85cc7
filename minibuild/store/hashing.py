"""A stream that is digested while it is read."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO

from minibuild.oci import Digest


class HashingReader(io.RawIOBase):
    """Reads another stream, which it closes with itself, and knows the digest of what was read so far."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._sha256 = hashlib.sha256()

    @property
    def digest(self) -> Digest:
        """Of all bytes read so far."""
        return Digest("sha256:" + self._sha256.hexdigest())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as io.BufferedReader calls it
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._sha256.update(data)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()
