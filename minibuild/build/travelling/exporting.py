"""After a build: its records and their layers go where other machines look for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from minibuild.build.journal import Journal
from minibuild.build.travelling import TABLE
from minibuild.build.travelling.collecting import Collected
from minibuild.build.travelling.document import MEDIA_TYPE, Cache, encode
from minibuild.build.travelling.importing import RULE
from minibuild.build.travelling.place import LARGEST_DOCUMENT, Access
from minibuild.build.travelling.wishes import CacheDestination, Caches
from minibuild.errors import Finding, MinibuildError, UnavailableError
from minibuild.events import Progress
from minibuild.layers.compressing import Compression
from minibuild.oci import Descriptor, Digest
from minibuild.oci.artifact import Artifact
from minibuild.oci.config import encode_json
from minibuild.store import Store

MOUNT = "dev.minibuild.mount"
"""The annotation of a layer that is a cache mount: its id."""


def export_caches(caches: Caches, collected: Collected, access: Access, store: Store, progress: Progress) -> None:
    """Writes what was collected to all places but the images themselves; raises MinibuildError for the first that can't
    be written to and has to be.
    """
    journal = Journal(progress)
    for destination in caches.destinations:
        try:
            _export(destination, collected, access, store, journal, caches.key)
        except MinibuildError as error:
            if not destination.ignores_errors:
                raise
            journal.warn(Finding(RULE, f"the cache was not written: {error.message}", hint=error.hint))


def check_destinations(caches: Caches, access: Access) -> None:
    """Raises UsageError for places that can't be, before anything is built for them."""
    for destination in caches.destinations:
        opened = TABLE[destination.type].open
        if opened is not None:
            opened(destination.attributes, access)


def _export(
    destination: CacheDestination, collected: Collected, access: Access, store: Store, journal: Journal, key: bytes
) -> None:
    opened = TABLE[destination.type].open
    if opened is None:
        return
    place = opened(destination.attributes, access)
    with journal.activity(f"exporting the cache to {place.name}") as activity:
        cache = _packed(collected.cache(destination.mode, destination.mounts), destination, store)
        document = encode_json(encode(cache, key))
        if len(document) > LARGEST_DOCUMENT:
            size = f"{len(document)} bytes, more than the {LARGEST_DOCUMENT} that are read"
            raise UnavailableError(f"the cache's records take {size}", hint="mode=min has fewer")
        place.write(Artifact.compose(MEDIA_TYPE, document, _blobs(cache)), store, activity.progress)
        activity.output(f"{len(cache.records)} records, {len(cache.layers)} layers", "stdout")


def _packed(cache: Cache, destination: CacheDestination, store: Store) -> Cache:
    """The cache with its layers as they are to travel."""
    form = destination.compression or Compression()
    packed = store.all_compressed(cache.layers, form, force=destination.forces_compression)
    layers = {layer.diff_id: layer for layer in packed}
    return Cache(
        tuple(replace(record, layer=layers[record.layer.diff_id]) for record in cache.records if record.layer),
        tuple(replace(mount, layer=layers[mount.layer.diff_id]) for mount in cache.mounts),
    )


def _blobs(cache: Cache) -> tuple[Descriptor, ...]:
    mounts: Mapping[Digest, str] = {mount.layer.diff_id: mount.id for mount in cache.mounts}
    return tuple(
        replace(layer.descriptor, annotations={MOUNT: mounts[layer.diff_id]} if layer.diff_id in mounts else {})
        for layer in {layer.descriptor.digest: layer for layer in cache.layers}.values()
    )
