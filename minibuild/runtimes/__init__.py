"""A process in a tree, isolated as Docker isolates RUN; one file and one line in ``TABLE`` for each program that
can.

May import ``sandbox``; knows nothing of images, layers or snapshotters: a tree is a directory. Loads nothing before
something is to run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minibuild.runtimes.base import Runtime
    from minibuild.runtimes.table import TABLE

__all__ = ["TABLE", "choose", "describe"]


def __getattr__(name: str) -> object:
    if name == "TABLE":
        from minibuild.runtimes.table import TABLE

        return TABLE
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def choose(name: str | None, cache: Path, *, needs_cgroups: bool = False) -> Runtime:
    """The runtime of that name, else the first of the table that works here; what was found is remembered in a file.
    ``needs_cgroups``: only of those that can limit memory and processors.

    Also removes what killed builds have left. Raises UnavailableError with the reason of each that doesn't work.
    """
    from minibuild.sandbox.linux import check_linux

    check_linux("a runtime")
    from minibuild.runtimes.choosing import choose_from
    from minibuild.runtimes.host import sweep_scratch
    from minibuild.runtimes.table import TABLE

    sweep_scratch()
    able = {known: runtime for known, runtime in TABLE.items() if runtime.has_cgroups or not needs_cgroups}
    return choose_from(TABLE if name else able, name, cache)


def describe() -> list[tuple[str, str | None]]:
    """Each runtime and why it can't be used; None where it can. Elsewhere than on Linux there is none."""
    from minibuild.sandbox.linux import is_linux

    if not is_linux():
        return []
    from minibuild.runtimes.table import TABLE

    return [(name, runtime.probe()) for name, runtime in TABLE.items()]
