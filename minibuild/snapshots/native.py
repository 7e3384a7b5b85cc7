"""Trees by copying: each chain is a whole directory. Works on every filesystem; where it can, copies share blocks."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, NamedTuple, Self

from minibuild.errors import UnavailableError
from minibuild.layers.entry import Change
from minibuild.sandbox.mounts import bind, mounted, private_mounts, unmount
from minibuild.sandbox.syscalls import MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY
from minibuild.snapshots.copying import Stamp, copy_file, copy_tree, share, stamp
from minibuild.snapshots.difference import Found, Item, attributes, changes_of, differs, root_differs, selected, walk
from minibuild.snapshots.shelf import Shelf

if TYPE_CHECKING:
    from minibuild.layers.index import Index


@dataclass(frozen=True, slots=True)
class NativeSnapshotter:
    """Keeps trees as whole directories."""

    name: ClassVar[str] = "native"
    shelf: Shelf

    @classmethod
    def probe(cls, root: Path) -> str | None:
        """None where files can be given any owner in this directory, and a tree be mounted, proved by doing so."""
        try:
            with cls.open(root).workspace(None) as workspace:
                os.chown(workspace.root, 1, 1)
        except OSError as error:
            return f"a file can't be given another owner: {(error.strerror or str(error)).lower()}"
        except UnavailableError as error:
            return error.message
        return None

    @classmethod
    def open(cls, root: Path) -> Self:
        """The snapshotter of a directory, made if need be; sweeps what killed builds have left there."""
        shelf = Shelf.open(root)
        (root / ".empty").mkdir(mode=0o755, exist_ok=True)
        return cls(shelf)

    def __contains__(self, chain: str) -> bool:
        return chain in self.shelf

    def import_layer(self, chain: str, parent: str | None, layer: BinaryIO) -> Index | None:
        """Unpacks a layer over a tree that shares its parent's files; None when the chain is there already."""
        from minibuild.layers.unpack import WhiteoutStyle, unpack

        if chain in self:
            return None
        with self.shelf.new() as made:
            (made / "fs").mkdir()
            copy_tree(os.fspath(self._files(parent)), os.fspath(made / "fs"), share)
            index = unpack(layer, made / "fs", WhiteoutStyle.APPLY)
            self.shelf.publish(made, chain, parent)
        return index

    @contextmanager
    def view(self, chain: str | None) -> Iterator[Path]:
        """The tree, bound read-only where the calling thread alone sees it."""
        private_mounts()
        with self.shelf.new() as directory:
            bind(self._files(chain), directory, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV)
            with mounted(directory):
                yield directory

    @contextmanager
    def workspace(self, parent: str | None) -> Iterator[NativeWorkspace]:
        """A copy of a tree, to be written to."""
        private_mounts()
        before = self._files(parent)
        with self.shelf.new() as made:
            files, root = made / "fs", made / "root"
            files.mkdir()
            root.mkdir()
            stamps = copy_tree(os.fspath(before), os.fspath(files), copy_file)
            bind(files, root, MOUNT_ATTR_NODEV)
            workspace = NativeWorkspace(self.shelf, made, parent, NativeCommitted(before, files, stamps), root)
            try:
                yield workspace
            finally:
                workspace.unmount()

    def retain(self, chains: Iterable[str]) -> None:
        """Forgets all trees but these and those that they stand on."""
        self.shelf.retain(chains)

    def _files(self, chain: str | None) -> Path:
        return self.shelf.root / ".empty" if chain is None else self.shelf.files(chain)


@dataclass(slots=True)
class NativeWorkspace:
    """A copy of a tree, mounted without devices."""

    shelf: Shelf
    made: Path
    parent: str | None
    copied: NativeCommitted
    root: Path
    _is_mounted: bool = True

    def commit(self, chain: str) -> NativeCommitted:
        """Gives the tree its name."""
        self.unmount()
        self.root.rmdir()
        self.shelf.publish(self.made, chain, self.parent)
        return replace(self.copied, after=self.shelf.files(chain))

    def unmount(self) -> None:
        """Takes the mount away; once is enough."""
        if self._is_mounted:
            self._is_mounted = False
            unmount(self.root)


class _Directory(NamedTuple):
    """A directory's path, and where it was before, if a directory was there (and never by way of a link)."""

    path: str
    before: str | None


@dataclass(frozen=True, slots=True)
class NativeCommitted:
    """A tree, the one that it is a copy of, and the stamps that its files had when it was fresh."""

    before: Path
    after: Path
    stamps: Mapping[str, Stamp]

    def changes(self) -> Iterator[Change]:
        """The difference, in time by the size of the tree; of unchanged files only the stamp is looked at."""
        root = Found("", os.fspath(self.after), os.lstat(self.after))
        candidates = [(root, root_differs(os.fspath(self.before), os.fspath(self.after)))]
        for found, changed in walk(_Directory("", os.fspath(self.before)), self._items):
            # Of what is unchanged, directories and files with more names may still have to come along.
            if changed or found.status is None or found.status.st_nlink > 1:
                candidates.append((found, changed))
        return changes_of(selected(candidates), attributes)

    def _items(self, directory: _Directory) -> list[Item[_Directory]]:
        with os.scandir(self.after / directory.path) as entries:
            items = {entry.name: self._item(directory, entry) for entry in entries}
        if directory.before and self.stamps.get(directory.path) != stamp(os.lstat(self.after / directory.path)):
            for name in set(os.listdir(directory.before)) - items.keys():
                items[name] = Item(Found(f"{directory.path}/{name}".lstrip("/"), "", None), differs=True)
        return [items[name] for name in sorted(items)]

    def _item(self, directory: _Directory, entry: os.DirEntry[str]) -> Item[_Directory]:
        path = f"{directory.path}/{entry.name}".lstrip("/")
        status = entry.stat(follow_symlinks=False)
        found = Found(path, entry.path, status)
        before = f"{directory.before}/{entry.name}" if directory.before else None
        is_same = before is not None and self.stamps.get(path) == stamp(status)
        earlier = _status(before) if before and not is_same else status
        changed = earlier is None or before is None or (not is_same and differs(before, found))
        if not stat.S_ISDIR(status.st_mode):
            return Item(found, changed)
        was_directory = earlier is not None and stat.S_ISDIR(earlier.st_mode)
        return Item(found, changed, _Directory(path, before if was_directory else None))


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None
