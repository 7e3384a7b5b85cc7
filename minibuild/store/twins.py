"""Layers in other forms: the compressed blob of a tar is made once, and kept beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from minibuild.errors import ImageError
from minibuild.layers.compressing import Compression, compressed
from minibuild.oci import Descriptor, Digest, Layer
from minibuild.store.blobs import Blobs


class Twins:
    """Which blob holds a layer's tar in which form: a small file for each, named by diff_id and compression."""

    def __init__(self, directory: Path, blobs: Blobs) -> None:
        self._directory = directory
        self._blobs = blobs

    def find(self, diff_id: Digest, compression: Compression) -> Layer | None:
        """The layer in that form; None where there is none, or its blob is gone."""
        with suppress(FileNotFoundError, ValueError, ImageError):
            descriptor = Descriptor.parse(json.loads(self._path(diff_id, compression).read_bytes()))
            if self._blobs.has(descriptor):
                return Layer(descriptor, diff_id)
        return None

    def make(self, tar: BinaryIO, diff_id: Digest, compression: Compression) -> Layer:
        """Compresses a layer's tar and keeps the blob."""
        with self._blobs.writer() as writer:
            for piece in compressed(tar, compression):
                writer.write(piece)
            digest, size = writer.commit()
        descriptor = Descriptor(compression.media_type, digest, size)
        self._directory.mkdir(exist_ok=True)
        with self._blobs.draft() as draft:
            draft.write(json.dumps(descriptor.encode()).encode())
            draft.commit_to(self._path(diff_id, compression))
        return Layer(descriptor, diff_id)

    def all(self) -> Iterator[Layer]:
        """All layers that have a compressed form, in each of their forms."""
        for file in self._directory.iterdir() if self._directory.is_dir() else ():
            with suppress(FileNotFoundError, ImageError, ValueError):
                diff_id = Digest.parse(f"sha256:{file.name.partition('.')[0]}")
                yield Layer(Descriptor.parse(json.loads(file.read_bytes())), diff_id)

    def sweep(self, diff_ids: frozenset[Digest]) -> frozenset[Digest]:
        """Forgets the twins of all other layers; answers the blobs of those that stay."""
        kept: set[Digest] = set()
        for file in list(self._directory.iterdir()) if self._directory.is_dir() else ():
            with suppress(ImageError, ValueError):
                if Digest.parse(f"sha256:{file.name.partition('.')[0]}") in diff_ids:
                    kept.add(Descriptor.parse(json.loads(file.read_bytes())).digest)
                    continue
            file.unlink(missing_ok=True)
        return frozenset(kept)

    def _path(self, diff_id: Digest, compression: Compression) -> Path:
        return self._directory / f"{diff_id.hex}.{compression}"
