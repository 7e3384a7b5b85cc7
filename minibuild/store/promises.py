"""Blobs that aren't here yet: where each is to be had, so that it is fetched only when somebody wants its bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from minibuild.errors import ImageError
from minibuild.oci import Descriptor, Digest
from minibuild.store.blobs import Blobs
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """A blob and the place that has it: ``docker://REGISTRY/REPOSITORY`` or ``oci-layout:DIRECTORY``."""

    descriptor: Descriptor
    place: str


class LostLayers(ImageError):
    """Promised blobs that can't be had, or a layer that isn't what it was said to be: the steps that made them don't
    count as done any more, and whoever does them again gets on.

    ``reason`` is what went wrong first.
    """

    def __init__(self, reason: ImageError, digests: frozenset[Digest]) -> None:
        hint = reason.hint or "build again: the step that made it is then done anew"
        super().__init__(reason.message, hint=hint)
        self.reason = reason
        self.digests = digests


Supplier: TypeAlias = Callable[[Sequence[Promise]], None]
"""Brings promised blobs into the store, all of them; raises MinibuildError where it can't, LostLayers where it knows
which.
"""


class Promises:
    """The promises of a store: a small file for each blob, named by its digest."""

    def __init__(self, directory: Path, blobs: Blobs) -> None:
        self._directory = directory
        self._blobs = blobs

    def add(self, descriptors: Iterable[Descriptor], place: str) -> None:
        """Remembers where these are to be had; what is here already needs no promise."""
        for descriptor in descriptors:
            if not self._blobs.has(descriptor):
                self._directory.mkdir(exist_ok=True)
                with self._blobs.draft() as draft:
                    draft.write(json.dumps({"place": place, "blob": descriptor.encode()}).encode())
                    draft.commit_to(self._directory / descriptor.digest.hex)

    def find(self, digest: Digest) -> Promise | None:
        """Where a blob is to be had; None where nobody said so."""
        return self._read(self._directory / digest.hex)

    def forget(self, digest: Digest) -> None:
        """The blob has come, or can't be had there any more."""
        (self._directory / digest.hex).unlink(missing_ok=True)

    def sweep(self) -> None:
        """Forgets what has come while whoever fetched it was killed."""
        for file in list(self._directory.iterdir()) if self._directory.is_dir() else ():
            # This is done whenever a store is opened, so none is read but of what is there.
            if self._blobs.path(Digest(f"sha256:{file.name}")).exists():
                promise = self._read(file)
                if promise and self._blobs.has(promise.descriptor):
                    self.forget(promise.descriptor.digest)

    def all(self) -> Iterator[Promise]:
        """All of them, in no order."""
        for file in self._directory.iterdir() if self._directory.is_dir() else ():
            if promise := self._read(file):
                yield promise

    def retain(self, digests: frozenset[Digest]) -> None:
        """Forgets those of all other blobs."""
        for promise in list(self.all()):
            if promise.descriptor.digest not in digests:
                self.forget(promise.descriptor.digest)

    def _read(self, file: Path) -> Promise | None:
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError, ImageError):
            document = json.loads(file.read_bytes())
            return Promise(Descriptor.parse(document["blob"]), str(document["place"]))
        return None
