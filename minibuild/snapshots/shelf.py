"""The directory in which a snapshotter keeps its trees: one directory a chain, made elsewhere and renamed when whole.

``<shelf>/<chain>/fs`` is what it keeps, ``parent`` the name of its parent; ``<shelf>/.new/`` is work in progress.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from minibuild.sandbox.scratch import remove_tree, scratch_directory, sweep
from minibuild.values import dataclass

_CHAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:-]*")


@dataclass(frozen=True, slots=True)
class Shelf:
    """Chains by name, on disk. Several processes may use one."""

    root: Path
    discard: Callable[[Path], None] = remove_tree
    """Removes a directory of work in progress, in which there may be a chain called ``removed``."""

    @classmethod
    def open(cls, root: Path, discard: Callable[[Path], None] = remove_tree) -> Shelf:
        """The shelf in a directory; sweeps what killed builds have left there."""
        sweep(root / ".new", discard)
        return cls(root, discard)

    def __contains__(self, chain: str) -> bool:
        return self.directory(chain).is_dir()

    def directory(self, chain: str) -> Path:
        """Where a chain is kept."""
        if not _CHAIN.fullmatch(chain):
            raise ValueError(f"{chain!r} can't name a chain")
        return self.root / chain.replace(":", "-")

    def files(self, chain: str) -> Path:
        """Where a chain's files are."""
        return self.directory(chain) / "fs"

    def parent(self, chain: str) -> str | None:
        """The chain that a chain stands on."""
        return (self.directory(chain) / "parent").read_text() or None

    def lineage(self, chain: str | None) -> Iterator[str]:
        """A chain and those it stands on, the newest first."""
        while chain is not None:
            yield chain
            chain = self.parent(chain)

    def new(self) -> AbstractContextManager[Path]:
        """A directory for a chain in the making, thrown away unless it is published."""
        return scratch_directory(self.root / ".new", self.discard)

    def publish(self, made: Path, chain: str, parent: str | None) -> None:
        """Gives what was made its name. Where somebody else was first, theirs stays."""
        (made / "parent").write_text(parent or "")
        try:
            os.rename(made, self.directory(chain))
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise

    def remove(self, chain: str) -> None:
        """Forgets a chain; one that isn't there is fine."""
        with self.new() as directory:
            try:
                os.rename(self.directory(chain), directory / "removed")
            except FileNotFoundError:
                return

    def retain(self, chains: Iterable[str]) -> None:
        """Forgets all chains but these and those that they stand on; the newest first, so that none is ever left
        without what it stands on.
        """
        kept = {self.directory(below).name for chain in chains if chain in self for below in self.lineage(chain)}
        depths = {
            name: sum(1 for _ in self.lineage(name))
            for name in os.listdir(self.root)
            if _CHAIN.fullmatch(name) and name not in kept
        }
        for name in sorted(depths, key=depths.__getitem__, reverse=True):
            self.remove(name)
