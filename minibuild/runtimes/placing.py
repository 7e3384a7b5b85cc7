"""What others mount into a tree, put into it as files, for machines where nothing can be mounted; and taken out again.

A file or directory of the tree that is in the way stands aside meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from minibuild.errors import UnavailableError
from minibuild.runtimes.base import Mount, Process, Tmpfs
from minibuild.runtimes.tree import DEVICE_LINKS, DEVICES, ready_tree
from minibuild.sandbox.copying import copy_file, copy_metadata, copy_tree
from minibuild.sandbox.inside import times_kept
from minibuild.sandbox.scratch import remove_tree
from minibuild.values import dataclass


@contextmanager
def furnished(process: Process, root: Path) -> Iterator[None]:
    """A tree with devices and what a process wants mounted, while the block lasts. What is written to a mount that is
    not read-only goes back to where it came from.

    Raises UnavailableError for what only a mount can do.
    """
    with (
        ready_tree(process, root) as mounts,
        TemporaryDirectory(dir=root.parent, prefix=".aside-") as aside,
        ExitStack() as stack,
    ):
        place = _Place(root, Path(aside), stack)
        place.add_devices()
        for mount in mounts:
            place.add(mount)
        yield


@dataclass(slots=True)
class _Place:
    root: Path
    aside: Path
    stack: ExitStack
    _number: int = 0

    def add_devices(self) -> None:
        """Puts a fresh /dev into the tree: what programs expect in it, as far as it is files."""
        with self._cleared(self.root / "dev") as device:
            _make_directory(device, 0o755)
            for name in DEVICES:
                try:
                    os.mknod(device / name, stat.S_IFCHR | 0o666, os.stat(f"/dev/{name}").st_rdev)
                    os.chmod(device / name, 0o666)
                except PermissionError as error:
                    raise UnavailableError(f"/dev/{name} can't be made for it") from error
            for name, target in DEVICE_LINKS:
                if name != "ptmx":
                    (device / name).symlink_to(target)
            _make_directory(device / "shm", 0o1777)

    def add(self, mount: Mount | Tmpfs) -> None:
        """Puts what would be mounted at its place."""
        path = Path(f"{self.root}{mount.target}")
        path.parent.mkdir(parents=True, exist_ok=True)  # in /dev, or in what was put there just now
        with self._cleared(path) as target:
            if isinstance(mount, Tmpfs):
                _make_directory(target, 0o1777)
                return
            _put(mount.source, target)
        if not mount.read_only:
            self.stack.callback(_give_back, target, _state(target), mount.source)

    @contextmanager
    def _cleared(self, target: Path) -> Iterator[Path]:
        """Moves what is there aside while something else is put there, and sees to it that it comes back."""
        self._number += 1
        kept = self.aside / str(self._number)
        with _directory_kept(target.parent):
            if os.path.lexists(target):
                os.rename(target, kept)
            self.stack.callback(_restore, kept, target)
            yield target


@contextmanager
def _directory_kept(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with times_kept(descriptor):
            yield
    finally:
        os.close(descriptor)


def _restore(kept: Path, target: Path) -> None:
    with _directory_kept(target.parent):
        _remove(target)
        if os.path.lexists(kept):
            os.rename(kept, target)


def _make_directory(path: Path, mode: int) -> None:
    path.mkdir()
    path.chmod(mode)


def _remove(path: Path) -> None:
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            remove_tree(path)
        else:
            os.unlink(path)


def _put(source: Path, target: Path) -> None:
    status = os.stat(source)
    if stat.S_ISSOCK(status.st_mode):
        raise UnavailableError(f"a socket can't be had at {target.name}: nothing can be mounted here")
    if stat.S_ISDIR(status.st_mode):
        target.mkdir()
        copy_tree(os.fspath(source), os.fspath(target), copy_file)
    else:
        copy_file(os.path.realpath(source), os.fspath(target), status)


_State: TypeAlias = Mapping[str, tuple[int, ...]]
"""What tells by each path below something ("" itself) whether it is as it was."""


def _state(path: Path) -> _State:
    paths = [path, *(path.rglob("*") if path.is_dir() else ())]
    statuses = {os.fspath(found.relative_to(path)): os.lstat(found) for found in paths}
    return {
        name: (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode, status.st_uid, status.st_gid)
        for name, status in statuses.items()
    }


def _give_back(target: Path, before: _State, source: Path) -> None:
    """Does to the source what was done to its copy."""
    after = _state(target)
    for name in sorted(before.keys() - after.keys(), reverse=True):
        _remove(source / name)
    changed = sorted(name for name, state in after.items() if before.get(name) != state)
    for name in changed:
        status = os.lstat(target / name)
        if not stat.S_ISDIR(status.st_mode):
            _overwrite(target / name, source / name, status)
        elif not (source / name).is_dir():
            (source / name).mkdir()
    for name in reversed(changed):
        status = os.lstat(target / name)
        if stat.S_ISDIR(status.st_mode):
            copy_metadata(os.fspath(target / name), os.fspath(source / name), status)


def _overwrite(path: Path, other: Path, status: os.stat_result) -> None:
    fresh = other.parent / f".{os.urandom(6).hex()}"
    copy_file(os.fspath(path), os.fspath(fresh), status)
    if other.is_dir() and not other.is_symlink():
        remove_tree(other)
    os.replace(fresh, other)
