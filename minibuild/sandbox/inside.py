"""Paths inside a tree that somebody else filled: no link of it leads out, no mount point is left behind in it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from minibuild.values import dataclass

_LINKS = 40


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path of the tree really is: ``path`` is absolute as the tree sees itself, without any link or ``..``;
    ``status`` None means that nothing is there (yet).
    """

    root: Path
    path: str
    status: os.stat_result | None

    @property
    def outside(self) -> str:
        """The path by which we reach it."""
        return os.fspath(self.root) + self.path

    @property
    def is_directory(self) -> bool:
        """A directory is there."""
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)


def resolve(root: Path, path: str, *, follow: bool = True) -> Place:
    """Where a path leads for a process whose root is ``root``; what is missing is appended to what is there.

    Only for trees that nobody else writes to now. ``follow`` False leaves a link at the end alone. Raises OSError:
    ELOOP, ENOTDIR.
    """
    base = os.fspath(root)
    pending = _components(path)
    real: list[str] = []
    links = 0
    status: os.stat_result | None = os.lstat(base)
    while pending:
        name = pending.pop()
        if name == "..":
            real = real[:-1]
            status = _status("/".join((base, *real)))
            continue
        if status is not None and not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), "/" + "/".join(real))
        here = "/".join((base, *real, name))
        status = _status(here) if status is not None else None
        if status is None or not stat.S_ISLNK(status.st_mode) or not (pending or follow):
            real.append(name)
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink(here)
        real = [] if target.startswith("/") else real
        status = os.lstat("/".join((base, *real)))
        pending += _components(target)
    return Place(root, "/" + "/".join(real), status)


def _components(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


@contextmanager
def mount_points(root: Path, wanted: Sequence[tuple[str, bool]]) -> Iterator[tuple[Place, ...]]:
    """Sees to it that paths exist in a tree while something is mounted on them: (path, it is to be a directory).

    What was missing is made, and removed at the end where it is as it was made: an empty file, an empty directory.
    The directories it stands in get back their times.
    """
    with ExitStack() as stack:
        yield tuple(_made(stack, root, path, directory) for path, directory in wanted)


def _made(stack: ExitStack, root: Path, path: str, directory: bool) -> Place:
    place = resolve(root, path)
    if place.status is None:
        parent, _, name = place.path.rpartition("/")
        above = _made(stack, root, parent or "/", True)
        descriptor = os.open(above.outside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        stack.callback(os.close, descriptor)
        identity = _make(descriptor, name, directory)
        stack.callback(_unmake, descriptor, name, identity)
        place = resolve(root, path)
    if place.is_directory != directory:
        number = errno.ENOTDIR if directory else errno.EISDIR
        raise OSError(number, os.strerror(number), place.path)
    return place


def _make(parent: int, name: str, directory: bool) -> tuple[int, int]:
    with times_kept(parent):
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
            os.chmod(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=parent))
            os.chmod(name, 0o644, dir_fd=parent)
    made = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return made.st_ino, made.st_mtime_ns


def _unmake(parent: int, name: str, identity: tuple[int, int]) -> None:
    # By the descriptor of the directory, not by its path: links that were made meanwhile are never followed.
    with suppress(OSError), times_kept(parent):
        now = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if now.st_ino != identity[0]:
            return
        if stat.S_ISDIR(now.st_mode):
            os.rmdir(name, dir_fd=parent)
        elif now.st_size == 0 and now.st_mtime_ns == identity[1]:
            os.unlink(name, dir_fd=parent)


@contextmanager
def times_kept(directory: int) -> Iterator[None]:
    """Gives a directory its times back when the block is left."""
    before = os.fstat(directory)
    yield
    os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
