"""What a store may do without: told by size (``minibuild du``), and thrown away, what was of use longest ago first.

Images with a name stay, whatever their age; everything else can be made or fetched again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from minibuild import snapshots
from minibuild.sandbox.scratch import remove_tree
from minibuild.store import Store
from minibuild.store.collect import downloads, needed_chains, sweep
from minibuild.values import dataclass

KINDS = ("steps", "results", "mounts", "downloads")
"""What may be thrown away: cached steps, images without a name, cache mounts, files that ADD has fetched."""

# The part of what may go that goes between two looks at the size: each look walks the whole store.
_LOOKS = 8
# What a store has besides blobs, in directories of its own.
_PLACES = ("snapshots", "mounts", "indices")


@dataclass(frozen=True, slots=True)
class Item:
    """Something that may go: of which kind, and when it was last of use, in seconds since the epoch."""

    kind: str
    used: float
    remove: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Usage:
    """One kind of thing in the store: how many there are, their bytes, and how many of those may go."""

    kind: str
    count: int
    size: int
    reclaimable: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many items went, and how many bytes. ``postponed``: none, since a build is under way."""

    items: int = 0
    size: int = 0
    postponed: bool = False


def prune(
    store: Store,
    *,
    keep: int | None = None,
    unused_since: float | None = None,
    kinds: frozenset[str] = frozenset(KINDS),
) -> Pruned:
    """Throws away what is of these kinds and was not of use since then; given ``keep``, only until the store takes
    no more than so many bytes.
    """
    with store.lease.exclusively() as alone:
        if not alone:
            return Pruned(postponed=True)
        before = size_of(store)
        found = sorted(items(store), key=lambda item: item.used)
        going = [item for item in found if item.kind in kinds and (unused_since is None or item.used < unused_since)]
        gone = 0
        _sweep(store)
        while gone < len(going) and (keep is None or size_of(store) > keep):
            left = going[gone:]
            batch = left if keep is None else left[: max(1, len(left) // _LOOKS)]
            for item in batch:
                item.remove()
            gone += len(batch)
            _sweep(store)
        return Pruned(gone, before - size_of(store))


def items(store: Store) -> Iterator[Item]:
    """All that may be thrown away."""
    for used, record in store.records.used():
        yield Item("steps", used, lambda record=record: store.records.remove(record))  # type: ignore[misc]
    for reference, image in store.images.listed():
        if reference is None:
            made = _changed(store.blobs.path(image.digest))
            yield Item("results", made, lambda image=image: store.images.remove(image))  # type: ignore[misc]
    for place in _directories(store.root / "mounts"):
        yield Item("mounts", _changed(place), lambda place=place: remove_tree(place))  # type: ignore[misc]
    for file in downloads(store):
        yield Item("downloads", _changed(file), file.unlink)


def size_of(store: Store) -> int:
    """Bytes of all that the store keeps; what tells of it, such as the file of records, isn't counted."""
    return store.usage()["blobs"] + sum(_size_below(store.root / name) for name in _PLACES)


def usage(store: Store) -> tuple[Usage, ...]:
    """What takes how much room; a blob of several uses counts for the first of them."""
    named = {image.digest: image for reference, image in store.images.list() if reference}
    kept = {layer.descriptor.digest: layer.descriptor.size for image in named.values() for layer in image.layers}
    fetched = {digest: store.blobs.size(digest) for digest in downloads(store).values() if digest not in kept}
    counts = [item.kind for item in items(store)]
    rest = store.usage()["blobs"] - sum(kept.values()) - sum(fetched.values())
    trees = [tree for keeper in _directories(store.root / "snapshots") for tree in _directories(keeper)]
    sizes = {name: _size_below(store.root / name) for name in _PLACES}
    return (
        Usage("named images", len(named), sum(kept.values()), 0),
        Usage("cached steps", counts.count("steps") + counts.count("results"), rest, rest),
        Usage("file trees", len(trees), sizes["snapshots"], sizes["snapshots"]),
        Usage("cache mounts", counts.count("mounts"), sizes["mounts"], sizes["mounts"]),
        Usage("downloads", counts.count("downloads"), sum(fetched.values()), sum(fetched.values())),
        Usage("tables of layers", len(os.listdir(store.root / "indices")), sizes["indices"], 0),
    )


def _sweep(store: Store) -> None:
    """Throws away what nothing leads to any more."""
    sweep(store)
    snapshots.retain(store.root, needed_chains(store))


def _directories(directory: Path) -> list[Path]:
    try:
        found = [Path(item.path) for item in os.scandir(directory) if item.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return [path for path in found if not path.name.startswith(".")]


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _size_below(directory: Path) -> int:
    """Bytes of all files, one of several names counted once; what can't be looked into counts for nothing."""
    seen: set[tuple[int, int]] = set()
    total, pending = 0, [os.fspath(directory)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as found:
            for item in found:
                status = item.stat(follow_symlinks=False)
                if item.is_dir(follow_symlinks=False):
                    pending.append(item.path)
                elif status.st_nlink == 1 or (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_size
    return total
