"""What the kernel's overlay shows of directories on top of one another: asked before a deletion is marked in one more.

A whiteout in a directory that overlay has nothing to merge with isn't hidden: its name is listed, though nothing can
be found there. So marks are made only where something below shows.
Source: the kernel's Documentation/filesystems/overlayfs.rst, and what 6.18 does.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from minibuild.layers import names
from minibuild.layers.rooted import Rooted


def shown(layers: Sequence[Path], paths: Iterable[str], opaque: str) -> set[str]:
    """The paths at which these layers, newest first, show anything; ``opaque`` is the attribute that marks a directory
    which hides those below it.
    """
    found: set[str] = set()
    pending = sorted(paths)
    for layer in layers:
        unsaid = []
        with Rooted(layer) as root:
            for path in pending:
                answer = _shows(root, path, opaque)
                if answer is None:
                    unsaid.append(path)
                elif answer:
                    found.add(path)
        pending = unsaid
    return found


def showing(layers: Sequence[Path], path: str, opaque: str) -> Path | None:
    """The layer, of these, newest first, that shows what stands at a path; None where nothing shows."""
    for layer in layers:
        with Rooted(layer) as root:
            answer = _shows(root, path, opaque)
        if answer is not None:
            return layer if answer else None
    return None


def is_whiteout(status: os.stat_result) -> bool:
    """It is a character device 0:0, overlay's form of a deletion."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _shows(root: Rooted, path: str, opaque: str) -> bool | None:
    """The layer shows something at a path; False: it hides it from those below, None: that is up to them."""
    otherwise = None
    directory = ""
    for name in path.split("/"):
        descriptor = root.find(directory)
        if descriptor is None:
            return False
        if directory and opaque in os.listxattr(descriptor):
            otherwise = False
        try:
            status = os.stat(names.encode(name), dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return otherwise
        if is_whiteout(status):
            return False
        directory = f"{directory}/{name}" if directory else name
        if directory != path and not stat.S_ISDIR(status.st_mode):
            return False
    return True
