"""Directories for work in progress: thrown away at the end, and by a later process if this one is killed."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from minibuild.errors import UnavailableError
from minibuild.sandbox import userns


def own_directory(environment: Mapping[str, str]) -> Path:
    """Where a user's programs put what lives as long as they do: nobody else's, in memory where there is such a place,
    the same inside and outside of the user's namespace. Raises UnavailableError where somebody else was there first.
    """
    user = userns.user_id()
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    temporary = environment.get("TMPDIR", "")
    places = [f"{runtime}/minibuild"] if runtime.startswith("/") else []
    places += [f"{place}/minibuild-{user}" for place in (temporary, "/tmp") if place.startswith("/")]
    for place in places:
        with suppress(OSError):
            os.mkdir(place, 0o700)
        if _is_ours(place):
            return Path(place)
    raise UnavailableError(
        f"{places[-1]} can't be used: it must be a directory of user {user}, closed to others",
        hint="remove it, or let XDG_RUNTIME_DIR name a directory of your own",
    )


def _is_ours(place: str) -> bool:
    """A directory, no link to one, that nobody but us can write to or read."""
    try:
        status = os.lstat(place)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def remove_tree(path: Path) -> None:
    """Removes a directory with all in it, following no link; files may vanish meanwhile, as an ending agent's socket.

    Directories found on the way are moved up beside their top, so that a tree nested a thousand deep takes neither
    recursion nor paths longer than the kernel's.
    """
    top = os.fspath(path)
    aside = f"{top}/.{os.urandom(6).hex()}"
    pending = [top]
    moved = 0
    while pending:
        directory = pending[-1]
        with os.scandir(_opened_up(directory)) as items:
            entries = list(items)
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    os.unlink(entry.path)
            elif directory == top:
                pending.append(entry.path)
            else:
                moved += 1
                os.rename(_opened_up(entry.path), f"{aside}-{moved}")
                pending.append(f"{aside}-{moved}")
        if pending[-1] == directory:
            os.rmdir(pending.pop())


def _opened_up(directory: str) -> str:
    # Root needs no permission; whoever is not root owns what it made, but may have made it 0000.
    if os.geteuid() != 0:
        os.chmod(directory, 0o700)
    return directory


@contextmanager
def scratch_directory(base: Path, remove: Callable[[Path], None] = remove_tree) -> Iterator[Path]:
    """A fresh directory in ``base``, removed at the end unless it was moved away. A lock that dies with us tells
    ``sweep`` that it is in use.
    """
    with _locked(base):
        path = base / f"{os.getpid()}-{os.urandom(6).hex()}"
        path.mkdir(mode=0o700)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield path
    finally:
        try:
            if path.exists():
                remove(path)
        finally:
            os.close(descriptor)


def sweep(base: Path, remove: Callable[[Path], None] = remove_tree) -> None:
    """Removes what processes that are no more have left in ``base``."""
    dead: list[tuple[Path, int]] = []
    with _locked(base):
        for name in os.listdir(base):
            with suppress(OSError):
                descriptor = os.open(base / name, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os.close(descriptor)
                else:
                    dead.append((base / name, descriptor))
    for path, descriptor in dead:
        with suppress(OSError):
            remove(path)
        os.close(descriptor)


@contextmanager
def _locked(base: Path) -> Iterator[None]:
    base.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(base / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
