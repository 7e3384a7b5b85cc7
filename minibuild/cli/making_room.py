"""What a build throws away when it has ended, where the store is to stay below a size: MINIBUILD_KEEP_STORAGE."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping

from minibuild.cli.session import Session
from minibuild.cli.units import human_size
from minibuild.errors import UsageError

SETTING = "MINIBUILD_KEEP_STORAGE"


def kept_storage(environment: Mapping[str, str]) -> int | None:
    """How many bytes the store may take; None where nothing says so. Raises UsageError for what is no size."""
    from minibuild.instructions.notation import parse_size

    word = environment.get(SETTING, "")
    size = parse_size(word) if word else None
    if word and size is None:
        raise UsageError(f"{SETTING} wants a size such as 10GB, got {word!r}")
    return size


def make_room(session: Session, most: int | None, began: float) -> None:
    """Prunes a store that takes more, but nothing that was of use since the moment of ``time.monotonic``; that is done
    by a process of its own, since a plain user's has to enter a namespace for it. While others build, nothing goes.
    """
    if most is None:
        return
    from minibuild.build.pruning import size_of

    with session.store() as store:
        size = size_of(store)
    if size <= most:
        return
    import subprocess

    words = [f"--keep-storage={most}", f"--until={math.ceil(time.monotonic() - began) + 1}s"]
    command = [sys.executable, "-P", "-m", "minibuild", "--root", str(session.root), "prune", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = (done.stdout or done.stderr.removeprefix("error: ")).strip().partition("\n")[0]
    session.note(f"note: the store took {human_size(size)}, and {SETTING} is {session.environment[SETTING]}: {said}")
