"""What a storage back-end for file trees is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar, Protocol, Self

from minibuild.layers.entry import Change
from minibuild.layers.owners import ROOT, Owner

if TYPE_CHECKING:
    from minibuild.layers.index import Index


class Workspace(Protocol):
    """A writable tree on top of a chain. No device on it can be opened."""

    root: Path
    """The mounted tree. Only the thread that entered the workspace sees the mount."""

    def commit(self, chain: str, owner: Owner = ROOT) -> Committed:
        """Seals the tree under a name that its snapshotter then knows; nothing may be written to it afterwards.
        ``owner`` is whose all that is new in it is, where owners are recorded.
        """


class Committed(Protocol):
    """A sealed tree that still knows what it changed."""

    def changes(self) -> Iterator[Change]:
        """The difference to its parent as a layer's entries, in the order of their paths, files with what opens
        their content; ``difference`` says what counts.

        May be called from any thread, while other workspaces stand on it.
        """


class Snapshotter(Protocol):
    """Keeps file trees, named by chains, each on top of its parent. Many processes may use one directory."""

    name: ClassVar[str]
    shortcomings: ClassVar[Mapping[str, str]]
    """What a build has to warn of, by the name of the rule."""

    @classmethod
    def probe(cls, root: Path) -> str | None:
        """None where it works in this directory; else the reason, for ``minibuild info``."""

    @classmethod
    def open(cls, root: Path) -> Self:
        """The snapshotter that keeps its trees in this directory; makes it if need be."""

    def __contains__(self, chain: str) -> bool:
        """It has this tree, whole."""

    def import_layer(self, chain: str, parent: str | None, layer: BinaryIO) -> Index | None:
        """Makes a tree out of an uncompressed layer tar, read to its end, on top of its parent's; answers the layer's
        index. One that is there already stays as it is: None, and nothing is read.
        """

    def view(self, chain: str | None) -> AbstractContextManager[Path]:
        """The tree, mounted read-only; None is the empty tree."""

    def workspace(self, parent: str | None) -> AbstractContextManager[Workspace]:
        """A writable tree on top; what isn't committed when it is left is thrown away."""

    def retain(self, chains: Iterable[str]) -> None:
        """Forgets all trees but these and those that they stand on."""
