"""Trees that have all their files. Where they stand, and how one comes from another, is the snapshotter's."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, NamedTuple, Self, TypeAlias

from minibuild.errors import UnavailableError
from minibuild.layers import owners
from minibuild.layers.entry import Change, Opener
from minibuild.layers.owners import ROOT, Owner
from minibuild.sandbox.copying import stamp
from minibuild.sandbox.mounts import bind, may_mount, mounted, private_mounts, unmount
from minibuild.sandbox.scratch import remove_tree
from minibuild.sandbox.syscalls import MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY
from minibuild.snapshots.difference import Found, Item, attributes, changes_of, differs, root_differs, selected, walk
from minibuild.snapshots.shelf import Shelf
from minibuild.values import dataclass

if TYPE_CHECKING:
    from minibuild.layers.index import Index


class Directory(NamedTuple):
    """A directory's path in its tree, the path by which we reach it, and by which we reach what it was before, if a
    directory was there (and never by way of a link).
    """

    path: str
    outside: str
    before: str | None

    def item(self, name: str, status: os.stat_result, *, is_same: bool = False) -> Item[Directory]:
        """Something in it, compared with what has the name before; ``is_same``: it is known to be that, unchanged."""
        path, outside = self.path_of(name), f"{self.outside}/{name}"
        found = Found(path, outside, status)
        before = f"{self.before}/{name}" if self.before else None
        earlier = _status(before) if before and not is_same else status
        changed = earlier is None or before is None or (not is_same and differs(before, found))
        if not stat.S_ISDIR(status.st_mode):
            return Item(found, changed)
        was_directory = earlier is not None and stat.S_ISDIR(earlier.st_mode)
        return Item(found, changed, Directory(path, outside, before if was_directory else None))

    def vanished(self, name: str) -> Item[Directory]:
        """Something that was in it before."""
        return Item(Found(self.path_of(name), "", None), differs=True)

    def path_of(self, name: str) -> str:
        """The path in the tree of something in it."""
        return f"{self.path}/{name}".lstrip("/")


Listing: TypeAlias = Callable[[Directory], list[Item[Directory]]]
"""What is in a directory, or was before, in the order of names; what is known to be as it was may be left out, if
nothing below it differs either.
"""

Comparison: TypeAlias = Callable[[str], Listing]
"""What was known of a tree when it was fresh; given its path later, it lists what may have changed."""

Files: TypeAlias = "os.PathLike[str]"
"""Where a tree's files are to be found, by any thread, for as long as this is kept."""


@dataclass(frozen=True, slots=True)
class WholeTrees:
    """What snapshotters have in common that keep whole trees."""

    shelf: Shelf
    shortcomings: ClassVar[Mapping[str, str]] = {}
    wants: ClassVar[str]
    """What it takes of a filesystem, in words."""

    @classmethod
    def open(cls, root: Path) -> Self:
        """The snapshotter of a directory, made if need be; sweeps what killed builds have left there."""
        return cls(Shelf.open(root, cls.remove))

    @classmethod
    def probe(cls, root: Path) -> str | None:
        """None where trees can be made in this directory with files of any owner, proved by doing so."""
        if reason := cls.lacking(root):
            return reason
        try:
            with cls.open(root).workspace(None) as workspace:
                owners.chown(workspace.root, Owner(1, 1))
        except OSError as error:
            return f"{cls.wants} can't be had here: {(error.strerror or str(error)).lower()}"
        except UnavailableError as error:
            return error.message
        return None

    @classmethod
    def lacking(cls, root: Path) -> str | None:  # noqa: ARG003
        """What there must be for it, and isn't, in words."""
        return None

    @staticmethod
    def remove(directory: Path) -> None:
        """Throws away a directory of the shelf, whole or half made."""
        remove_tree(directory)

    def make(self, files: Path) -> None:
        """Makes the empty tree, unless it is there."""
        files.mkdir(mode=0o755, exist_ok=True)

    def files(self, chain: str | None) -> Files:
        """A tree that nobody writes to; None is the empty one."""
        if chain is not None:
            return self.shelf.files(chain)
        empty = self.shelf.root / ".empty"
        self.make(empty)
        return empty

    def derived(self, parent: str | None, made: Path) -> AbstractContextManager[Files]:
        """A tree, kept in a new directory of the shelf, with what another one has; files may be replaced in it, but not
        be written to. While the block lasts, that is: then it is what it is.
        """
        raise NotImplementedError

    def copied(self, parent: str | None, made: Path) -> AbstractContextManager[tuple[Files, Comparison]]:
        """The same, to be written to."""
        raise NotImplementedError

    def seal(self, files: Files) -> None:
        """Nothing will be written any more to a tree that was derived or copied."""

    def show(self, files: Files, target: Path, attributes: int) -> None:
        """Mounts a tree at a path that the calling thread alone sees; ``attributes`` are ``MOUNT_ATTR_…``."""
        bind(os.fspath(files), target, attributes)

    def __contains__(self, chain: str) -> bool:
        return chain in self.shelf

    def import_layer(self, chain: str, parent: str | None, layer: BinaryIO) -> Index | None:
        """Unpacks a layer over a tree that begins as its parent's; None when the chain is there already."""
        from minibuild.layers.unpack import WhiteoutStyle, unpack

        if chain in self:
            return None
        with self.shelf.new() as made:
            with self.derived(parent, made) as files:
                index = unpack(layer, Path(files), WhiteoutStyle.APPLY, keeping=owners.here())
                self.seal(files)
            self.shelf.publish(made, chain, parent)
        return index

    @contextmanager
    def view(self, chain: str | None) -> Iterator[Path]:
        """The tree, bound read-only where the calling thread alone sees it; as it is where nothing can be mounted."""
        files = self.files(chain)
        if not may_mount():
            yield Path(files)
            return
        private_mounts()
        with self.shelf.new() as directory:
            self.show(files, directory, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV)
            with mounted(directory):
                yield directory

    @contextmanager
    def workspace(self, parent: str | None) -> Iterator[WholeWorkspace]:
        """A copy of a tree, to be written to."""
        with self.shelf.new() as made, self.copied(parent, made) as (files, comparison):
            workspace = WholeWorkspace(self, made, parent, files, comparison, Path(files))
            if may_mount():
                workspace.mount()
            try:
                yield workspace
            finally:
                workspace.unmount()

    def retain(self, chains: Iterable[str]) -> None:
        """Forgets all trees but these and those that they stand on."""
        self.shelf.retain(chains)


@dataclass(slots=True)
class WholeWorkspace:
    """A copy of a tree, mounted without devices where that can be."""

    trees: WholeTrees
    made: Path
    parent: str | None
    files: Files
    comparison: Comparison
    root: Path
    _is_mounted: bool = False

    def mount(self) -> None:
        """Makes the tree one of the calling thread's mounts."""
        private_mounts()
        self.root = self.made / "root"
        self.root.mkdir()
        self.trees.show(self.files, self.root, MOUNT_ATTR_NODEV)
        self._is_mounted = True

    def commit(self, chain: str, owner: Owner = ROOT) -> WholeCommitted:
        """Gives the tree its name."""
        self.unmount()
        owners.settle(self.files, owner)
        self.trees.seal(self.files)
        self.trees.shelf.publish(self.made, chain, self.parent)
        return WholeCommitted(self.trees.files(self.parent), self.trees.files(chain), self.comparison)

    def unmount(self) -> None:
        """Takes the mount away; once is enough."""
        if self._is_mounted:
            self._is_mounted = False
            unmount(self.root)
            self.root.rmdir()


@dataclass(frozen=True, slots=True)
class WholeCommitted:
    """A tree, the one that it began as, and what was known of it then."""

    before: Files
    after: Files
    comparison: Comparison

    def changes(self) -> Iterator[Change]:
        """The difference; of unchanged files at most their status is looked at."""
        before, after = os.fspath(self.before), os.fspath(self.after)
        candidates = [(Found("", after, os.lstat(after)), root_differs(before, after))]
        for found, changed in walk(Directory("", after, before), self.comparison(after)):
            # Of what is unchanged, directories and files with more names may still have to come along.
            if changed or found.status is None or found.status.st_nlink > 1 or stat.S_ISDIR(found.status.st_mode):
                candidates.append((found, changed))
        for entry, opener in changes_of(selected(candidates), attributes):
            yield entry, opener and partial(self._opened, opener)

    def _opened(self, opener: Opener) -> BinaryIO:
        return opener()  # as long as it can be called, the trees are kept


def in_place(touched: frozenset[int] | None, directory: Directory) -> list[Item[Directory]]:
    """A listing where what is the same has the same inode and time of change in both trees: what was touched in a
    directory (None: all that is in it), or stands elsewhere than before, or is no more.
    """
    earlier = _inodes(directory.before) if directory.before else {}
    now = _inodes(directory.outside)
    items = {name: directory.vanished(name) for name in earlier if name not in now}
    for name, inode in now.items():
        is_in_place = earlier.get(name) == inode
        if not is_in_place or touched is None or inode in touched:
            status = os.lstat(f"{directory.outside}/{name}")
            # Read at most: the time of access is no change.
            is_same = is_in_place and stamp(os.lstat(f"{directory.before}/{name}")) == stamp(status)
            items[name] = directory.item(name, status, is_same=is_same)
    return [items[name] for name in sorted(items)]


def _inodes(directory: str) -> dict[str, int]:
    with os.scandir(directory) as entries:
        return {entry.name: entry.inode() for entry in entries}


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None
