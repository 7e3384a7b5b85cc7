"""Before a build: what other machines have made becomes known to the store, and nothing of it is fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from minibuild.build.journal import Journal
from minibuild.build.travelling import TABLE
from minibuild.build.travelling.document import MEDIA_TYPE, Cache, decode
from minibuild.build.travelling.inline import found_in
from minibuild.build.travelling.place import Access, Place, configuration
from minibuild.build.travelling.wishes import Caches
from minibuild.errors import Finding, ImageError
from minibuild.oci import Image, Layer
from minibuild.store import Store

RULE = "CacheUnavailable"
_BUILDKIT = "application/vnd.buildkit.cacheconfig"


def import_caches(caches: Caches, accesses: Sequence[Access], store: Store, journal: Journal) -> Mapping[str, Layer]:
    """Puts the records of all caches into the store, those of the first counting most; answers the cache mounts by the
    names that a store keeps them by. ``accesses`` are one a platform, whose images may have caches of their own.

    A cache that isn't there, or isn't one, is told of and does no harm.
    """
    mounts: dict[str, Layer] = {}
    for source in caches.sources:
        opened = TABLE[source.type].open
        assert opened is not None
        places = [opened(source.attributes, access) for access in accesses]
        with journal.activity(f"importing the cache of {places[0].name}") as activity:
            for cache in _found(places, caches.key, journal):
                store.promises.add((layer.descriptor for layer in cache.layers), places[0].home)
                new = store.records.adopt(cache.records)
                mounts = {**{mount.name: mount.layer for mount in cache.mounts}, **mounts}
                activity.output(_told(cache, new), "stdout")
    return mounts


def _found(places: Iterable[Place], key: bytes, journal: Journal) -> Iterator[Cache]:
    """The caches that are there, each once: only those of images differ by platform."""
    seen: list[Cache] = []
    for place in places:
        try:
            cache = read(place, key)
        except ImageError as error:
            journal.warn(Finding(RULE, f"the cache {place.name} is not used: {error.message}", hint=error.hint))
            continue
        if cache not in seen:
            seen.append(cache)
            yield cache


def read(place: Place, key: bytes) -> Cache:
    """The cache of a place; raises ImageError where there is none, or none that counts."""
    manifest, raw = place.read()
    found = configuration(manifest).media_type
    if found.startswith(_BUILDKIT):
        raise ImageError("it was written by BuildKit, and only BuildKit can read it", hint="write ours to another name")
    try:
        if found == MEDIA_TYPE:
            return decode(json.loads(raw), key)
        image = Image.parse(manifest, raw)
        return decode(found_in(raw), key, {layer.diff_id: layer for layer in image.layers})
    except (ValueError, RecursionError) as error:
        raise ImageError(f"its records are no JSON ({error})") from error


def _told(cache: Cache, new: int) -> str:
    known = f"{len(cache.records)} records, {new} of them new here" if cache.records else "no records"
    return known + (f"; cache mounts: {', '.join(mount.id for mount in cache.mounts)}" if cache.mounts else "")
