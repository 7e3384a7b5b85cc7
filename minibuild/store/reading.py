"""A store for those who only look: nothing in it is made, mended or thrown away."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from minibuild.layers.index import Index
from minibuild.oci import Digest, Layer
from minibuild.store.blobs import Blobs
from minibuild.store.images import Images
from minibuild.store.locks import Lease
from minibuild.store.promises import Promises
from minibuild.store.records import SCHEMA, Records, Row
from minibuild.store.store import Store

if TYPE_CHECKING:
    import sqlite3

_BLOCK = 1 << 20


class StoreToRead(Store):
    """A store as it stands, or none: where nothing is, nothing is found. What can't be read isn't there either."""

    def __init__(self, root: Path, lease: Lease) -> None:
        super().__init__(root, lease)
        self.blobs = _BlobsToRead(root, self.scratch)
        self.images = Images(root, self.blobs, root / "locks" / "index", self.scratch)
        self.promises = Promises(root / "promises", self.blobs)

    @classmethod
    def at(cls, root: Path) -> Self:
        """The store in a directory, which needn't be one."""
        root = root.absolute()
        return cls(root, _LeaseToRead(root / "locks" / "lease"))

    @cached_property
    def records(self) -> Records:
        """The cache of steps."""
        return _RecordsToRead(self.root / "cache.sqlite", self.holds, self.root / "locks" / "records")

    def put_index(self, diff_id: Digest, index: Index) -> None:
        """Keeps nothing: the table is read again when it is next asked for."""

    def open_tar(self, layer: Layer) -> BinaryIO:
        """A layer's uncompressed tar, seekable; a compressed blob is unpacked for the time that it is open."""
        if layer.diff_id in self.blobs:
            return self.blobs.open_digest(layer.diff_id)
        from shutil import copyfileobj
        from tempfile import TemporaryFile

        file = cast(BinaryIO, TemporaryFile())  # noqa: SIM115 - the caller closes it
        with self.stream_tar(layer) as tar:
            copyfileobj(tar, file, _BLOCK)
        file.seek(0)
        return file


class _BlobsToRead(Blobs):
    def remove(self, digest: Digest) -> None:
        """Leaves a damaged blob to those who can make it anew."""


class _LeaseToRead(Lease):
    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1  # no store, so nobody throws things away
            return
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def release(self) -> None:
        if self._descriptor >= 0:
            super().release()


class _RecordsToRead(Records):
    def _run(self, work: Callable[[sqlite3.Connection], list[Row]]) -> list[Row]:
        import sqlite3

        with self._mutex:
            try:
                return work(self._open())
            except sqlite3.Error:
                return []

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            import sqlite3

            # Without a log beside it nobody is writing, and sqlite needn't make one.
            is_in_use = self._path.with_name(f"{self._path.name}-wal").exists()
            address = f"{self._path.as_uri()}?{'mode=ro' if is_in_use else 'immutable=1'}"
            connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
            if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                connection.close()
                raise sqlite3.DatabaseError("a cache of another version")
            self._connection = connection
        return self._connection
