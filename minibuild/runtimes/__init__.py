"""A process in a tree, isolated as Docker isolates RUN; one file and one line in ``TABLE`` for each program that can.

May import ``sandbox``; knows nothing of images, layers or snapshotters: a tree is a directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from minibuild.runtimes.base import Runtime
from minibuild.runtimes.oci import Crun, Runc
from minibuild.runtimes.unshare import UnshareRuntime

# In order of preference.
TABLE: Mapping[str, type[Runtime]] = {runtime.name: runtime for runtime in (Crun, Runc, UnshareRuntime)}

__all__ = ["TABLE", "Runtime", "choose", "describe"]


def choose(name: str | None, cache: Path) -> Runtime:
    """The runtime of that name, else the first of the table that works here; what was found is remembered in a file.

    Also removes what killed builds have left. Raises UnavailableError with the reason of each that doesn't work.
    """
    from minibuild.runtimes.choosing import choose_from
    from minibuild.runtimes.host import sweep_scratch

    sweep_scratch()
    return choose_from(TABLE, name, cache)


def describe() -> list[tuple[str, str | None]]:
    """Each runtime and why it can't be used; None where it can."""
    return [(name, runtime.probe()) for name, runtime in TABLE.items()]
