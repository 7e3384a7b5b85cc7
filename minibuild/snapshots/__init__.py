"""A chain of layers as a mounted tree; one file and one line in ``TABLE`` for each way to keep them.

May import ``layers`` and ``sandbox``; knows nothing of images, instructions or runtimes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from minibuild.errors import UnavailableError, did_you_mean
from minibuild.snapshots.base import Committed, Snapshotter, Workspace
from minibuild.snapshots.native import NativeSnapshotter
from minibuild.snapshots.overlay import OverlaySnapshotter

# In order of preference.
TABLE: Mapping[str, type[Snapshotter]] = {
    snapshotter.name: snapshotter for snapshotter in (OverlaySnapshotter, NativeSnapshotter)
}

__all__ = ["TABLE", "Committed", "Snapshotter", "Workspace", "choose", "describe"]


def choose(root: Path, name: str | None = None) -> Snapshotter:
    """The snapshotter of that name, else the first of the table that works, keeping its trees in
    ``root/snapshots/<name>``.

    Raises UnavailableError with the reason of each that doesn't.
    """
    if name is not None and name not in TABLE:
        hint = did_you_mean(name, list(TABLE)) or f"there are {', '.join(TABLE)}"
        raise UnavailableError(f"no snapshotter is called {name!r}", hint=hint)
    reasons = []
    for candidate in [name] if name else TABLE:
        reason = TABLE[candidate].probe(root / "snapshots" / candidate)
        if reason is None:
            return TABLE[candidate].open(root / "snapshots" / candidate)
        reasons.append(f"{candidate}: {reason}")
    raise UnavailableError(f"no file tree can be made for RUN: {'; '.join(reasons)}")


def describe(root: Path) -> list[tuple[str, str | None]]:
    """Each snapshotter and why it can't be used in ``root``; None where it can."""
    return [(name, snapshotter.probe(root / "snapshots" / name)) for name, snapshotter in TABLE.items()]
