"""Trees by overlayfs: a chain keeps only what it changes, and the kernel merges it with those it stands on.

In a chain's directory: ``fs`` its changes; ``flat`` (deep chains only) its whole tree in one directory.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Self

from minibuild.errors import UnavailableError
from minibuild.layers import owners
from minibuild.layers.entry import Change
from minibuild.layers.owners import ROOT, Owner
from minibuild.sandbox.copying import copy_file, copy_metadata, copy_tree
from minibuild.sandbox.mounts import Overlay, deepest_overlay, mounted, private_mounts
from minibuild.sandbox.userns import in_first_user_namespace
from minibuild.snapshots import upper
from minibuild.snapshots.shelf import Shelf
from minibuild.values import dataclass

if TYPE_CHECKING:
    from minibuild.layers.index import Index


@dataclass(frozen=True, slots=True)
class OverlaySnapshotter:
    """Keeps trees as differences."""

    name: ClassVar[str] = "overlay"
    shortcomings: ClassVar[Mapping[str, str]] = {}
    shelf: Shelf

    @staticmethod
    def marks() -> str:
        """Where the attributes stand by which directories say what they hide."""
        return "trusted.overlay." if in_first_user_namespace() else "user.overlay."

    @contextmanager
    def mounted(self, overlay: Overlay, target: Path) -> Iterator[None]:
        """Mounts directories of the shelf on one another while the block lasts."""
        overlay.mount(target)
        with mounted(target):
            yield

    @classmethod
    def probe(cls, root: Path) -> str | None:
        """None where an overlay can be mounted with its changes in this directory, proved by doing so."""
        try:
            with cls.open(root).workspace(None) as workspace:
                (workspace.root / "probe").mkdir()
        except OSError as error:
            return f"it can't be mounted here: {(error.strerror or str(error)).lower()}"
        except UnavailableError as error:
            return error.message
        return None

    @classmethod
    def open(cls, root: Path) -> Self:
        """The snapshotter of a directory, made if need be; sweeps what killed builds have left there."""
        shelf = Shelf.open(root)
        for directory in (_empty(shelf), _emptier(shelf)):
            directory.mkdir(mode=0o755, exist_ok=True)
        return cls(shelf)

    def __contains__(self, chain: str) -> bool:
        return chain in self.shelf

    def import_layer(self, chain: str, parent: str | None, layer: BinaryIO) -> Index | None:
        """Unpacks a layer beside its parents; None, and nothing is read, when the chain is there already."""
        from minibuild.layers.unpack import WhiteoutStyle, unpack

        if chain in self:
            return None
        style = WhiteoutStyle(f"{self.marks()}opaque")
        lowers = self._lowers(parent)
        with self.shelf.new() as made:
            files = _fresh_root(made, lowers[0])
            index = unpack(layer, files, style, below=lowers, keeping=owners.here())
            self.shelf.publish(made, chain, parent)
        return index

    @contextmanager
    def view(self, chain: str | None) -> Iterator[Path]:
        """The tree, mounted read-only for the calling thread."""
        private_mounts()
        overlay = Overlay(self._lowers(chain, mountable=True))
        with self.shelf.new() as directory, self.mounted(overlay, directory):
            yield directory

    @contextmanager
    def workspace(self, parent: str | None) -> Iterator[OverlayWorkspace]:
        """A writable tree on top, mounted for the calling thread."""
        private_mounts()
        lowers = self._lowers(parent, mountable=True)
        with self.shelf.new() as made, ExitStack() as mounts:
            files, work, root = _fresh_root(made, lowers[0]), made / "work", made / "root"
            work.mkdir()
            root.mkdir()
            mounts.enter_context(self.mounted(Overlay(lowers, files, work), root))
            yield OverlayWorkspace(self, made, lowers, parent, root, mounts)

    def retain(self, chains: Iterable[str]) -> None:
        """Forgets all trees but these and those that they stand on."""
        self.shelf.retain(chains)

    def _lowers(self, chain: str | None, *, mountable: bool = False) -> list[Path]:
        """The directories that make a tree, the topmost first, at least two; ``mountable``: deep chains are copied
        into one directory first.
        """
        lowers: list[Path] = []
        for ancestor in self.shelf.lineage(chain):
            flat = self.shelf.directory(ancestor) / "flat"
            if mountable and len(lowers) >= deepest_overlay() and not flat.exists():
                self._flatten(ancestor)
            if flat.exists():
                lowers.append(flat)
                break
            lowers.append(self.shelf.files(ancestor))
        # A mount that is only read wants two directories, and takes none twice.
        return [*lowers, _empty(self.shelf)] if lowers else [_empty(self.shelf), _emptier(self.shelf)]

    def _flatten(self, chain: str) -> None:
        with self.shelf.new() as made, self.view(chain) as tree:
            (made / "flat").mkdir()
            copy_tree(os.fspath(tree), os.fspath(made / "flat"), copy_file)
            try:
                os.rename(made / "flat", self.shelf.directory(chain) / "flat")
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise


@dataclass(slots=True)
class OverlayWorkspace:
    """A mounted tree and the directory that takes its changes."""

    snapshotter: OverlaySnapshotter
    made: Path
    lowers: Sequence[Path]
    parent: str | None
    root: Path
    mounts: ExitStack

    def commit(self, chain: str, owner: Owner = ROOT) -> OverlayCommitted:
        """Unmounts the tree and gives its changes their name; ready at once, however much has changed."""
        from minibuild.sandbox.scratch import remove_tree

        self.mounts.close()
        self.root.rmdir()
        remove_tree(self.made / "work")
        owners.settle(self.made / "fs", owner)
        shelf = self.snapshotter.shelf
        shelf.publish(self.made, chain, self.parent)
        return OverlayCommitted(shelf.files(chain), self.lowers, self.snapshotter.marks())


@dataclass(frozen=True, slots=True)
class OverlayCommitted:
    """A directory of changes, on the directories that it changes."""

    files: Path
    lowers: Sequence[Path]
    marks: str

    def changes(self) -> Iterator[Change]:
        """The difference, in time by the number of changes."""
        return upper.changes(os.fspath(self.files), [os.fspath(lower) for lower in self.lowers], self.marks)


def _empty(shelf: Shelf) -> Path:
    return shelf.root / ".empty"


def _emptier(shelf: Shelf) -> Path:
    return shelf.root / ".emptier"


def _fresh_root(made: Path, model: Path) -> Path:
    # The merged root has the owner, mode and times of its topmost directory.
    files = made / "fs"
    files.mkdir()
    copy_metadata(os.fspath(model), os.fspath(files), os.lstat(model))
    return files
