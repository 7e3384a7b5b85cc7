"""What no image and no record needs is thrown away."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from minibuild.errors import IntegrityError, MinibuildError
from minibuild.oci import Digest, MediaType
from minibuild.oci.digest import chain_id
from minibuild.store.store import Store
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Collected:
    """What was thrown away: how many blobs, and bytes. ``postponed``: nothing was, since the store is in use."""

    blobs: int = 0
    size: int = 0
    postponed: bool = False


def collect(store: Store) -> Collected:
    """Removes blobs and indices that no image and no record leads to, records whose layer is gone, and old locks."""
    with store.lease.exclusively() as alone:
        return sweep(store) if alone else Collected(postponed=True)


def sweep(store: Store) -> Collected:
    """As ``collect``, for who knows to be alone."""
    for record in store.records.all():
        if record.layer and not store.holds(record.layer.descriptor):
            store.records.remove(record)
    needed = needed_blobs(store)
    needed |= store.twins.sweep(needed)
    store.promises.retain(needed)
    garbage = [digest for digest in store.blobs if digest not in needed]
    size = sum(map(store.blobs.size, garbage))
    for digest in garbage:
        store.blobs.remove(digest)
    for directory in ("indices", "locks"):
        _remove_unneeded(store, directory, needed)
    return Collected(len(garbage), size)


def needed_blobs(store: Store) -> frozenset[Digest]:
    """All that index.json and the records lead to, and the diff_ids of their layers."""
    needed: set[Digest] = set()
    for entry in store.images.entries():
        needed |= set(_tree(store, entry))
    for record in store.records.all():
        if record.layer:
            needed |= {record.layer.descriptor.digest, record.layer.diff_id}
        needed |= set(record.parent_diff_ids)
        if record.image:
            needed |= set(_tree(store, {"digest": record.image, "mediaType": MediaType.MANIFEST}))
    return frozenset(needed | set(downloads(store).values()))


def downloads(store: Store) -> Mapping[Path, Digest]:
    """The files that ADD has fetched: what is remembered of each, and the blob of its content."""
    found: dict[Path, Digest] = {}
    for file in (store.root / "downloads").glob("*.json"):
        with suppress(MinibuildError, ValueError, KeyError, TypeError, OSError):
            found[file] = Digest.parse(json.loads(file.read_bytes())["digest"])
    return found


def needed_chains(store: Store) -> frozenset[str]:
    """The chains of trees that a record or a listed image may ask a snapshotter for."""
    chains: set[str] = set()
    for record in store.records.all():
        chains |= {record.chain} if record.chain else set()
        chains |= set(_prefixes(record.parent_diff_ids))
    for _, image in store.images.list():
        chains |= set(_prefixes(image.config.diff_ids))
    return frozenset(chains)


def _prefixes(diff_ids: tuple[Digest, ...]) -> Iterator[str]:
    chain = None
    for diff_id in diff_ids:
        chain = chain_id((diff_id,), onto=chain)
        if chain:
            yield chain


def _tree(store: Store, descriptor: dict[str, Any]) -> Iterator[Digest]:
    # Whatever kind of document another tool put here: an index of manifests, an attestation, an artifact.
    try:
        digest = Digest.parse(descriptor.get("digest", ""))
    except IntegrityError:
        return
    yield digest
    if "json" not in str(descriptor.get("mediaType", "")):
        return
    document: Any = None
    with suppress(MinibuildError, ValueError, RecursionError):
        document = json.loads(store.blobs.read_digest(digest))
    if not isinstance(document, dict):
        return
    for key in ("manifests", "layers", "config"):
        children = document.get(key) or ()
        for child in children if isinstance(children, list) else [children]:
            if isinstance(child, dict):
                yield from _tree(store, child)
    rootfs = document.get("rootfs")
    if isinstance(rootfs, dict):
        yield from (Digest(diff_id) for diff_id in rootfs.get("diff_ids") or ())


def _remove_unneeded(store: Store, directory: str, needed: frozenset[Digest]) -> None:
    for item in os.scandir(store.root / directory):
        with suppress(IntegrityError):
            if Digest.parse(f"sha256:{item.name}") not in needed:
                os.unlink(item.path)
