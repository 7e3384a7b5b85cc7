"""Brings blobs into the store that are only promised, when somebody wants their bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from minibuild.build.journal import Activity, Journal
from minibuild.errors import ImageError
from minibuild.events import Transferred
from minibuild.oci import Descriptor, Reference
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store
from minibuild.store.promises import LostLayers, Promise
from minibuild.transports.base import BlobSource
from minibuild.values import dataclass, field

REGISTRY = "docker://"
"""What the places of promises in registries begin with."""

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Supply:
    """Fetches from registries, by way of their mirrors, and from OCI layouts: what a store's ``supplier`` is."""

    store: Store
    journal: Journal
    cancellation: Cancellation
    mirrors: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, promises: Sequence[Promise]) -> None:
        """Brings them all, one place after the other; raises LostLayers."""
        by_place: dict[str, list[Descriptor]] = {}
        for promise in promises:
            by_place.setdefault(promise.place, []).append(promise.descriptor)
        for place, descriptors in by_place.items():
            if place.startswith(REGISTRY):
                self._from_registry(Reference.parse(place.removeprefix(REGISTRY)), descriptors)
            else:
                self._from_source(place, descriptors)

    def _from_registry(self, repository: Reference, descriptors: Sequence[Descriptor]) -> None:
        from minibuild.registry.endpoints import parse_mirrors
        from minibuild.registry.failures import Unreachable
        from minibuild.transports.registry import Registry

        with (
            Registry(parse_mirrors(self.mirrors), self.environment) as registry,
            self.cancellation.telling(registry.cancel),
            self.journal.activity(_title(descriptors, repository.with_tag("").familiar())) as activity,
        ):
            blobs = self.store.blobs
            try:
                registry.fetch_blobs(repository, descriptors, blobs, activity.progress, activity=activity.number)
            except ImageError as error:
                missing = (descriptor.digest for descriptor in descriptors if not blobs.has(descriptor))
                # Where nobody answers, none of the others is to be had either.
                is_down = isinstance(error.__cause__, Unreachable)
                raise LostLayers(error, frozenset(missing if is_down else registry.refused)) from error

    def _from_source(self, place: str, descriptors: Sequence[Descriptor]) -> None:
        from minibuild.transports import open_source

        source = open_source(place, self.environment)
        if source is None:
            raise ImageError(f"{place!r} is no place that blobs are had from")
        with self.journal.activity(_title(descriptors, place)) as activity:
            for descriptor in descriptors:
                try:
                    bring(self.store, source, [descriptor], activity)
                except ImageError as error:
                    raise LostLayers(error, frozenset({descriptor.digest})) from error


def bring(store: Store, source: BlobSource, descriptors: Sequence[Descriptor], activity: Activity) -> None:
    """Copies those blobs that a store lacks."""
    for descriptor in descriptors:
        if store.blobs.has(descriptor):
            continue
        done = 0
        with source.open(descriptor) as blob, store.blobs.writer() as writer:
            while block := blob.read(_BLOCK):
                writer.write(block)
                done += len(block)
                activity.progress(Transferred(0, descriptor.digest.short, done, descriptor.size))
            writer.commit(descriptor)


def _title(descriptors: Sequence[Descriptor], place: str) -> str:
    number = len(descriptors)
    return f"fetching {number} layer{'' if number == 1 else 's'} of {place}"
