"""Files of a tree that somebody else filled, read and made without leaving it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from minibuild.layers import owners
from minibuild.layers.owners import Owner
from minibuild.sandbox.inside import resolve


def read_in_root(root: Path, path: str, limit: int) -> bytes | None:
    """The content of a regular file of the tree, its first ``limit`` bytes; None where there is none to read."""
    try:
        place = resolve(root, path)
    except OSError:
        return None
    if place.status is None or not stat.S_ISREG(place.status.st_mode):
        return None
    with open(os.open(place.outside, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(limit)


def make_directory_in_root(root: Path, path: str, owner: tuple[int, int] = (0, 0)) -> None:
    """Makes a directory of the tree, and those above it, unless it is there; raises NotADirectoryError where
    something else is. ``owner`` are the ids of who is to own what was made.
    """
    place = resolve(root, path)
    if place.status is None:
        make_directory_in_root(root, place.path.rpartition("/")[0] or "/", owner)
        os.mkdir(place.outside, 0o755)
        os.chmod(place.outside, 0o755)
        owners.chown(place.outside, Owner(*owner))
    elif not place.is_directory:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), place.path)
