"""A build context that comes as a tar, compressed or not: recognised by its first bytes, unpacked into a directory."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, cast

from minibuild.errors import ContextError, ImageError
from minibuild.layers.compression import decompressed, is_compressed
from minibuild.layers.index import Index
from minibuild.layers.tar import BLOCK, is_header
from minibuild.layers.unpack import unpack


class Begun:
    """A stream of which the first bytes are known already, and come again."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._rest = stream, b""
        while len(self._rest) < BLOCK and (more := stream.read(BLOCK - len(self._rest))):
            self._rest += more
        self.head = self._rest
        """Up to ``BLOCK`` bytes; fewer only where there are no more."""

    @property
    def is_tar(self) -> bool:
        """It begins as a tar does, or a compressed file, or is an empty tar: nothing but zeros."""
        return is_compressed(self.head) or is_header(self.head) or (bool(self.head) and not self.head.strip(b"\0"))

    def read(self, size: int = -1) -> bytes:
        """The next bytes; fewer than asked for, where those that were known are at their end."""
        if not self._rest:
            return self._stream.read(size)
        size = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:size], self._rest[size:]
        return data

    def read_all(self) -> bytes:
        """All that is left."""
        return self.read() + self._stream.read()

    def close(self) -> None:
        """Closes nothing: the stream is its owner's."""


def unpack_context(stream: Begun, root: Path, noun: str) -> Index:
    """Unpacks a tar into an empty directory, and never outside it; answers what it says of its files.

    Raises ContextError, which calls the tar by the noun, for one that is damaged, grows out of all proportion, or has
    names that lead out, contradict one another, or mean a deletion: no layer could hold a file that is called so.
    """
    try:
        index = unpack(decompressed(cast(BinaryIO, stream)), root)
    except ImageError as error:
        raise ContextError(f"{noun} can't be unpacked: {error.message}", hint=error.hint) from error
    _refuse_deletions(index, noun)
    return index


def _refuse_deletions(index: Index, noun: str) -> None:
    deletions = sorted(index.whiteouts | index.opaques)
    if deletions:
        raise ContextError(
            f"{noun} has a name that starts with .wh. for {deletions[0]!r}, which in a layer deletes files",
            hint="leave it out: tar --exclude='.wh.*'",
        )
