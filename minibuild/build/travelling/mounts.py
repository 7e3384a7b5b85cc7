"""Cache mounts that travel: the directory of each is one more layer of a cache.

Those that no RUN of a build had mounted travel on as they came, if they came; they are neither fetched nor packed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from minibuild.build.caches import cache_directory
from minibuild.build.journal import Journal
from minibuild.build.travelling.document import TravellingMount
from minibuild.build.travelling.importing import RULE
from minibuild.errors import Finding, ImageError, MinibuildError, did_you_mean
from minibuild.instructions.effects import CacheMount, RunCommand
from minibuild.layers.entry import Change
from minibuild.oci import Layer
from minibuild.plan import Plan
from minibuild.runtimes.base import Cancellation
from minibuild.sandbox.scratch import remove_tree
from minibuild.snapshots.difference import Found, Item, attributes, changes_of, walk
from minibuild.store import Store
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class MountPacking:
    """Makes layers of the directories that cache mounts have. ``arrived`` are the layers that came with caches, by the
    names of ``caches.cache_directory``'s places; ``used`` the names of those that were mounted.
    """

    store: Store
    journal: Journal
    cancellation: Cancellation
    arrived: Mapping[str, Layer]
    used: frozenset[str]

    def pack(self, names: Mapping[str, str]) -> Iterator[TravellingMount]:
        """The layers of these mounts, by name → id."""
        for name, identity in names.items():
            layer = self.arrived.get(name)
            place = self.store.root / "mounts" / name
            if (place / "0").is_dir() and (layer is None or name in self.used):
                with self.journal.activity(f"packing the cache mount {identity}"):
                    layer = self._packed(place, identity) or layer
            if layer is not None:
                yield TravellingMount(identity, name, layer)

    def _packed(self, place: Path, identity: str) -> Layer | None:
        try:
            # Nobody may write to it meanwhile.
            with cache_directory(place, "locked", _nothing, self.cancellation) as directory:
                return self.store.add_layer(_changes(directory))
        except (MinibuildError, OSError) as error:
            reason = error.message if isinstance(error, MinibuildError) else f"{error.filename}: {error.strerror}"
            self.journal.warn(Finding(RULE, f"the cache mount {identity} doesn't travel: {reason}"))
            return None


def mounts_of(plan: Plan) -> Iterator[CacheMount]:
    """The cache mounts of a plan's RUNs."""
    for index in plan.order:
        for step in plan.stages[index].steps:
            if isinstance(step.effect, RunCommand):
                yield from (mount for mount in step.effect.mounts if isinstance(mount, CacheMount))


def warn_of_unknown(plan: Plan, wanted: frozenset[str], journal: Journal) -> None:
    """Tells of ids that no RUN mounts a cache of."""
    known = sorted({mount.id for mount in mounts_of(plan)})
    for identity in sorted(wanted - set(known)):
        hint = did_you_mean(identity, known) or (f"there are {', '.join(known)}" if known else "")
        journal.warn(Finding(RULE, f"no RUN mounts a cache of the id {identity!r}, which is to travel", hint=hint))


def fill(directory: Path, layer: Layer, store: Store, journal: Journal) -> bool:
    """Puts what a cache mount had elsewhere into its new directory; where it can't be had, nothing."""
    from minibuild.layers import owners
    from minibuild.layers.unpack import unpack

    try:
        with store.reading_tar(layer) as tar:
            unpack(tar, directory, keeping=owners.here())
    except ImageError as error:
        journal.warn(Finding(RULE, f"a cache mount starts empty: {error.message}"))
        remove_tree(directory)
        directory.mkdir(mode=0o755)
        return False
    return True


def _nothing(_directory: Path) -> None:
    """Leaves a new cache as it is."""


def _changes(directory: Path) -> Iterator[Change]:
    """All that is in a directory, and itself."""
    top = Found("", os.fspath(directory), os.lstat(directory))
    return changes_of([top, *(found for found, _ in walk("", lambda path: _items(directory, path)))], attributes)


def _items(top: Path, below: str) -> list[Item[str]]:
    with os.scandir(top / below) as entries:
        return [_item(below, entry) for entry in sorted(entries, key=lambda entry: entry.name)]


def _item(below: str, entry: os.DirEntry[str]) -> Item[str]:
    path = f"{below}/{entry.name}".lstrip("/")
    status = entry.stat(follow_symlinks=False)
    return Item(Found(path, entry.path, status), differs=True, directory=path if stat.S_ISDIR(status.st_mode) else None)
