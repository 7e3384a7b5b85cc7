"""What a command is given besides its arguments: the process's surroundings, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from minibuild.errors import UsageError
from minibuild.values import dataclass

if TYPE_CHECKING:
    from minibuild.store import Store
    from minibuild.store.promises import Promise


@dataclass(frozen=True, slots=True)
class Session:
    """One run of the command line. ``root`` is where the store is or will be."""

    root: Path
    environment: Mapping[str, str]
    output: TextIO
    errors: TextIO

    def store(self) -> Store:
        """The store, made if need be; the caller closes it."""
        from minibuild.store import Store

        store = Store.at(self.root)
        store.supplier = lambda promises: self._supply(store, promises)
        return store

    def _supply(self, store: Store, promises: Sequence[Promise]) -> None:
        """Brings what a command needs that the store has only the promise of."""
        from minibuild.build.journal import Journal
        from minibuild.build.supplying import Supply
        from minibuild.events import silent
        from minibuild.runtimes.base import Cancellation

        mirrors = self.environment.get("MINIBUILD_REGISTRY_MIRROR", "").split()
        Supply(store, Journal(silent), Cancellation(), mirrors, self.environment)(promises)

    def print(self, text: str) -> None:
        """A line on standard output: what was asked for."""
        self.output.write(f"{text}\n")

    def note(self, text: str) -> None:
        """A line on standard error: what a person may want to know."""
        self.errors.write(f"{text}\n")

    @property
    def input_bytes(self) -> BinaryIO:
        """Standard input; raises UsageError where a person sits at it."""
        import sys

        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("standard input is a terminal, wanted an archive", hint="name a file with -i FILE")
        return sys.stdin.buffer


def store_root(word: str | None, environment: Mapping[str, str]) -> Path:
    """``--root``, else MINIBUILD_ROOT, else the user's data directory."""
    if word == "":
        raise UsageError("--root wants a directory, got ''")
    if word:
        return Path(word).absolute()
    from minibuild.sandbox.userns import user_id
    from minibuild.store import data_directory

    return data_directory(environment, user_id())
