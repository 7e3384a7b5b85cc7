"""Removes a tree whose files are of many users, as those of RUNs: for a plain user in the namespace that knows them.

Only a process with a single thread can enter one, so it is done by a process of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from minibuild.sandbox import entering
from minibuild.sandbox.scratch import remove_tree


def remove_owned_tree(path: Path) -> None:
    """Removes a directory with all in it, whoever of ours it belongs to; raises OSError where that can't be."""
    if entering.is_plain_user() and entering.obstacle() is None:
        # "-P": a directory that somebody builds is no place to import from.
        command = [sys.executable, "-P", "-m", __name__, os.fspath(path)]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    if path.exists():
        remove_tree(path)


if __name__ == "__main__":
    entering.enter()
    remove_tree(Path(sys.argv[1]))
