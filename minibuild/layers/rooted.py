"""A directory that no name leads out of: every component is opened by itself, and never through a symlink."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from minibuild.layers import names

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_OPEN = 64


class Rooted:
    """The directory, and file descriptors of the directories in it that were used last. They belong to this object:
    one that it answered may be closed as soon as the next is asked for.

    ``made`` has the directories that ``make`` had to make; ``times`` the modification time, in nanoseconds, that each
    directory had when it was opened first.
    """

    def __init__(self, root: Path) -> None:
        self._open = {"": os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)}
        self.made: set[str] = set()
        self.times = {"": os.fstat(self._open[""]).st_mtime_ns}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def find(self, path: str) -> int | None:
        """The directory at a path; None where there is none, or something on the way is a symlink or a file."""
        return self._descend(path, None)

    def make(self, path: str) -> int:
        """The directory at a path; made if need be, all that is missing above it too, in place of what is none."""
        descriptor = self._descend(path, self._make)
        assert descriptor is not None
        return descriptor

    def remove(self, path: str) -> None:
        """Removes what is at a path, a directory with all that is in it; nothing there is fine too."""
        parent, _, name = path.rpartition("/")
        descriptor = self.find(parent)
        if descriptor is None:
            return
        try:
            os.unlink(names.encode(name), dir_fd=descriptor)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):  # what unlink says of a directory: Linux, and POSIX
            if self.find(path) is None:
                raise
            self.prune(path, _nothing)
            self._remove_empty(path)

    def prune(self, path: str, keeps: Callable[[str], bool]) -> None:
        """Removes all that is below a directory, but for the paths that are to be kept."""
        pending, found = [path], []
        while pending:
            directory = pending.pop()
            for name, is_directory in self.list(directory):
                child = f"{directory}/{name}" if directory else name
                if is_directory:
                    pending.append(child)
                    found.append(child)
                elif not keeps(child):
                    self.remove(child)
        for directory in reversed(found):
            if not keeps(directory):
                self._remove_empty(directory)

    def list(self, path: str) -> Iterator[tuple[str, bool]]:
        """The names in a directory, and whether each is one itself."""
        descriptor = self.find(path)
        if descriptor is None:
            return
        with os.scandir(descriptor) as listing:
            found = [(names.decode(os.fsencode(item.name)), item.is_dir(follow_symlinks=False)) for item in listing]
        yield from found

    def _descend(self, path: str, make: Callable[[int, str, bytes], None] | None) -> int | None:
        """Opens the components that aren't open yet, one after the other; ``make`` is what makes a missing one.

        All of them stay open for a while: else two thousand directories in one another would cost two million calls.
        """
        here, missing = path, []
        while here not in self._open:
            here, _, name = here.rpartition("/")
            missing.append(name)
        descriptor = self._open[here]
        if here:
            self._open[here] = self._open.pop(here)  # the last one to be closed
        while missing:
            name = missing.pop()
            here = f"{here}/{name}" if here else name
            child = self._open_child(descriptor, here, names.encode(name), make)
            if child is None:
                return None
            if len(self._open) >= _MOST_OPEN:
                os.close(self._open.pop(next(other for other in self._open if other)))
            self._open[here] = descriptor = child
        return descriptor

    def _open_child(
        self, parent: int, path: str, name: bytes, make: Callable[[int, str, bytes], None] | None
    ) -> int | None:
        try:
            descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError):
            if make is None:
                return None
            make(parent, path, name)
            return os.open(name, _DIRECTORY, dir_fd=parent)
        if path not in self.times:
            self.times[path] = os.fstat(descriptor).st_mtime_ns
        return descriptor

    def _make(self, parent: int, path: str, name: bytes) -> None:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        os.mkdir(name, 0o755, dir_fd=parent)
        self.made.add(path)

    def _remove_empty(self, path: str) -> None:
        for other in [other for other in self._open if other == path or other.startswith(f"{path}/")]:
            os.close(self._open.pop(other))
        parent, _, name = path.rpartition("/")
        descriptor = self.find(parent)
        if descriptor is not None:
            os.rmdir(names.encode(name), dir_fd=descriptor)


def _nothing(_path: str) -> bool:
    return False
