"""Trees by fuse-overlayfs: what overlay keeps, for kernels that don't let us mount one.

It leaves things otherwise than the kernel does. Files that say again what directories' attributes say, and the times of
directories that it copied files into, are mended when a tree is complete; whiteouts of what nobody had stay.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

from minibuild.sandbox import fuse
from minibuild.sandbox.mounts import Overlay
from minibuild.sandbox.userns import in_first_user_namespace
from minibuild.snapshots.overlay import OverlaySnapshotter
from minibuild.snapshots.upper import beneath, is_opaque
from minibuild.values import dataclass

_MARKS = frozenset({".wh..opq", ".wh..wh..opq"})
_COPIED = "user.fuseoverlayfs.origin"


@dataclass(frozen=True, slots=True)
class FuseOverlaySnapshotter(OverlaySnapshotter):
    """Keeps trees as differences, which a program merges."""

    name: ClassVar[str] = fuse.NAME
    shortcomings: ClassVar[Mapping[str, str]] = {
        "OwnersLost": "fuse-overlayfs keeps neither setuid bits nor the owners of links when files of a layer below "
        "change"
    }

    @staticmethod
    def marks() -> str:
        """Where the attributes stand by which directories say what they hide."""
        return "trusted.overlay." if in_first_user_namespace() else "user.fuseoverlayfs."

    @contextmanager
    def mounted(self, overlay: Overlay, target: Path) -> Iterator[None]:
        """Mounts directories of the shelf on one another while the block lasts."""
        since = os.stat(target).st_mtime_ns
        with fuse.mounted_by_fuse(overlay, target, self.shelf.root):
            yield
        if overlay.upper:
            _mend(os.fspath(overlay.upper), list(map(os.fspath, overlay.lowers)), self.marks(), since)


def _mend(top: str, lowers: Sequence[str], prefix: str, since: int) -> None:
    """Makes an upper directory what the kernel would have made it; ``since``: when it was mounted."""
    pending = [(top, list(lowers))]
    for directory, below in pending:
        status = os.lstat(directory)
        with os.scandir(directory) as entries:
            found = [_Found.of(entry, below, prefix) for entry in entries if not _removed(entry)]
        pending += [(entry.path, entry.below) for entry in found if stat.S_ISDIR(entry.status.st_mode)]
        latest = max((entry.status.st_ctime_ns for entry in found), default=0)
        was_copied_into = all(entry.is_copy for entry in found) and since <= status.st_mtime_ns <= latest
        if below and was_copied_into and directory != top:
            status = os.lstat(below[0])
        os.utime(directory, ns=(status.st_atime_ns, status.st_mtime_ns))


def _removed(entry: os.DirEntry[str]) -> bool:
    if entry.name in _MARKS:
        os.unlink(entry.path)
    return entry.name in _MARKS


class _Found(NamedTuple):
    """Something in an upper directory; ``below``: the directories that it is merged with."""

    path: str
    status: os.stat_result
    below: list[str]
    is_copy: bool

    @classmethod
    def of(cls, entry: os.DirEntry[str], lowers: Sequence[str], prefix: str) -> Self:
        """What an entry is; a copy is what the program put there to change what a directory below has."""
        status = entry.stat(follow_symlinks=False)
        lowers = beneath(lowers, entry.name, prefix)
        if not lowers or stat.S_IFMT(os.lstat(lowers[0]).st_mode) != stat.S_IFMT(status.st_mode):
            return cls(entry.path, status, [], is_copy=False)
        if stat.S_ISDIR(status.st_mode):
            below = [] if is_opaque(entry.path, prefix) else lowers
            return cls(entry.path, status, below, is_copy=bool(below))
        return cls(entry.path, status, [], not stat.S_ISREG(status.st_mode) or _COPIED in os.listxattr(entry.path))
