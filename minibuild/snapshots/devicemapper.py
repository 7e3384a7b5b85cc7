"""Trees as thin volumes: each chain is a filesystem that is a snapshot of the one it stands on, made at once and
sharing all its blocks.

In a chain's directory: ``volume``, the number of its volume, written before there is one; so who finds the directory
can always delete both. What changed is found by comparing the two trees, in which what is the same has the same inode
and time of change. Takes a pool, which ``storage`` makes.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import ClassVar, Self

from minibuild.errors import UnavailableError
from minibuild.sandbox import device_mapper
from minibuild.sandbox.copying import later_than, now
from minibuild.sandbox.scratch import remove_tree
from minibuild.snapshots.pool import BASE, Pool
from minibuild.snapshots.shelf import Shelf
from minibuild.snapshots.volume import Tree
from minibuild.snapshots.whole import Comparison, Files, WholeTrees, in_place
from minibuild.values import dataclass

POOL = ".pool"
_MAKES_ONE = "minibuild storage create devicemapper --size 20G"
_ANEW = "minibuild storage rm devicemapper, then storage create devicemapper"
_MAKES_ROOM = f"minibuild prune makes room; for more: {_ANEW} --size …"
_LARGER = f"for larger trees: {_ANEW} --storage-opt dm.basesize=…"


@dataclass(frozen=True, slots=True)
class DeviceMapperSnapshotter(WholeTrees):
    """Keeps trees as volumes of a thin pool."""

    pool: Pool
    name: ClassVar[str] = "devicemapper"
    wants: ClassVar[str] = "thin volumes"

    @classmethod
    def open(cls, root: Path) -> Self:
        """The snapshotter of a directory that has a pool; sweeps what killed builds have left there."""
        try:
            pool = Pool.at(root / POOL)
        except FileNotFoundError as error:
            raise UnavailableError("this store has no thin pool", hint=_MAKES_ONE) from error
        pool.sweep()
        return cls(Shelf.open(root, partial(_discard, pool)), pool)

    @classmethod
    def lacking(cls, root: Path) -> str | None:
        """A device mapper, or a pool."""
        if reason := obstacle():
            return reason
        return None if (root / POOL).is_dir() else f"this store has no thin pool; to make one: {_MAKES_ONE}"

    def files(self, chain: str | None) -> Tree:
        """A chain's volume, mounted read-only."""
        with self._explaining():
            return self.pool.tree(self._volume(chain))

    @contextmanager
    def derived(self, parent: str | None, made: Path) -> Iterator[Tree]:
        """A snapshot of a volume, mounted."""
        with self._explaining():
            origin, volume = self._volume(parent), self.pool.fresh()
            (made / "volume").write_text(f"{volume}\n")
            began = now()
            self.pool.snapshot(volume, origin)
            tree = self.pool.tree(volume, writable=True)
            try:
                later_than(began)
                yield tree
            except OSError as error:
                if error.errno == errno.ENOSPC and tree.is_full():
                    size = f"{self.pool.parts.tree_size >> 20} MiB"
                    raise UnavailableError(
                        f"a tree of devicemapper has {size}, and they are full", hint=_LARGER
                    ) from error
                raise
            finally:
                tree.close()

    @contextmanager
    def copied(self, parent: str | None, made: Path) -> Iterator[tuple[Tree, Comparison]]:
        """A snapshot of a volume, mounted."""
        with self.derived(parent, made) as tree:
            yield tree, lambda _after: partial(in_place, None)

    def seal(self, files: Files) -> None:
        """Writes the tree out; here it comes to light whether there was room for it in the pool."""
        assert isinstance(files, Tree)
        with self._explaining():
            files.seal()

    def show(self, files: Files, target: Path, attributes: int) -> None:
        """Mounts the volume once more."""
        assert isinstance(files, Tree)
        files.show(target, attributes)

    def _volume(self, chain: str | None) -> int:
        return BASE if chain is None else int((self.shelf.directory(chain) / "volume").read_text())

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Raises UnavailableError in place of what a full or a broken pool leads to."""
        try:
            yield
        except OSError as error:
            usage = self.pool.usage()
            if usage.is_full:
                raise UnavailableError(f"the pool of devicemapper is full: {usage}", hint=_MAKES_ROOM) from error
            if usage.is_broken:
                message = f"the pool of devicemapper can't be used, its state is {usage.mode!r}"
                raise UnavailableError(message, hint=f"dmesg may say why; to make it anew: {_ANEW}") from error
            raise


def obstacle() -> str | None:
    """Why there can be no thin volumes on this machine; None where there can."""
    try:
        if device_mapper.can_make("thin-pool"):
            return None
        return "this kernel's device mapper has no thin pools; modprobe dm_thin_pool may help"
    except PermissionError:
        return "the device mapper is for root of the machine itself"
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.ENXIO):
            return "this kernel has no device mapper; modprobe dm_mod may help"
        return f"the device mapper can't be talked to: {(error.strerror or str(error)).lower()}"


def _discard(pool: Pool, directory: Path) -> None:
    """Throws away a directory of the shelf and its volume; where somebody still reads that, a later sweep will."""
    for file in (directory / "volume", directory / "removed/volume"):
        text = file.read_text() if file.exists() else ""
        if not text:
            continue  # we were killed before there was a volume
        try:
            pool.delete(int(text))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return
    remove_tree(directory)
