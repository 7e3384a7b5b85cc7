"""A chain of layers as a mounted tree; one file and one line in ``TABLE`` for each way to keep them.

May import ``layers`` and ``sandbox``; knows nothing of images, instructions or runtimes. Loads nothing before a tree is
wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.errors import UnavailableError, did_you_mean

if TYPE_CHECKING:
    from minibuild.snapshots.base import Snapshotter
    from minibuild.snapshots.table import TABLE

__all__ = ["TABLE", "choose", "describe", "retain"]


def __getattr__(name: str) -> object:
    if name == "TABLE":
        from minibuild.snapshots.table import TABLE

        return TABLE
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def choose(root: Path, name: str | None = None) -> Snapshotter:
    """The snapshotter of that name, else the first of the table that works, keeping its trees in
    ``root/snapshots/<name>``; in a user namespace apart from that, by what ids mean in it.

    Raises UnavailableError with the reason of each that doesn't.
    """
    from minibuild.sandbox.linux import check_linux

    check_linux("a file tree for RUN")
    from minibuild.snapshots.table import TABLE

    if name is not None and name not in TABLE:
        hint = did_you_mean(name, list(TABLE)) or f"there are {', '.join(TABLE)}"
        raise UnavailableError(f"no snapshotter is called {name!r}", hint=hint)
    reasons = []
    for candidate in [name] if name else TABLE:
        directory = _directory(root, candidate)
        reason = TABLE[candidate].probe(directory)
        if reason is None:
            return TABLE[candidate].open(directory)
        reasons.append(f"{candidate}: {reason}")
    from minibuild.sandbox.userns import AS_ROOT

    raise UnavailableError(f"no file tree can be made for RUN: {'; '.join(reasons)}", hint=AS_ROOT)


def describe(root: Path) -> list[tuple[str, str | None]]:
    """Each snapshotter and why it can't be used for a store at ``root``; None where it can. Only Linux has any."""
    import threading

    from minibuild.sandbox.linux import is_linux

    if not is_linux():
        return []
    from minibuild.snapshots.table import TABLE

    reasons: list[tuple[str, str | None]] = []

    def probe() -> None:
        reasons.extend((name, snapshotter.probe(_directory(root, name))) for name, snapshotter in TABLE.items())

    # In a thread of its own, which probing moves into a mount namespace.
    thread = threading.Thread(target=probe)
    thread.start()
    thread.join()
    return reasons


def retain(root: Path, chains: Iterable[str]) -> None:
    """Forgets all trees of a store but these and those that they stand on, whatever keeps them."""
    from minibuild.sandbox.linux import is_linux

    if not is_linux():
        return
    from minibuild.snapshots.table import TABLE

    for name, snapshotter in TABLE.items():
        if _directory(root, name).is_dir():
            snapshotter.open(_directory(root, name)).retain(chains)


def _directory(root: Path, name: str) -> Path:
    from minibuild.sandbox.userns import mapping

    return root / "snapshots" / "-".join(filter(None, (name, mapping())))
