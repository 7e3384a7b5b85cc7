"""Directories that outlive builds, for RUN --mount=type=cache: ``<store>/mounts/<digest of its name>/<number>``."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from minibuild.errors import ImageError
from minibuild.runtimes.base import Cancellation
from minibuild.sandbox.scratch import remove_tree
from minibuild.store.locks import locked

_PAUSE_S = 0.05


@contextmanager
def cache_directory(
    place: Path, sharing: str, fill: Callable[[Path], None], cancellation: Cancellation
) -> Iterator[Path]:
    """A directory of a cache, while nobody has it who mustn't: in this process or another.

    ``shared`` and ``locked`` have the first; ``private`` the first that is free. A new one is filled first. Raises
    KeyboardInterrupt when cancelled while it waits.
    """
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.utime(place)  # tells when it was last of use
    for number in count():
        descriptor = os.open(place / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            manner = fcntl.LOCK_SH if sharing == "shared" else fcntl.LOCK_EX
            if not _taken(descriptor, manner, cancellation, waits=sharing != "private"):
                continue
            yield _made(place, number, fill)
            return
        finally:
            os.close(descriptor)


def _taken(descriptor: int, manner: int, cancellation: Cancellation, *, waits: bool) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, manner | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if not waits:
                return False
        if cancellation.event.wait(_PAUSE_S):
            raise KeyboardInterrupt


def _made(place: Path, number: int, fill: Callable[[Path], None]) -> Path:
    directory = place / str(number)
    with locked(place / "making.lock"):
        if not directory.exists():
            unfinished = place / f"{number}.unfinished"
            if unfinished.exists():
                remove_tree(unfinished)
            unfinished.mkdir(mode=0o755)
            fill(unfinished)
            unfinished.rename(directory)
    return directory


def open_within(cache: Path, path: str) -> int:
    """A directory of a cache that others write to meanwhile, made if need be; no link is followed on the way.

    Answers a descriptor, which stays the directory whatever becomes of its name; the caller closes it. Raises
    ImageError.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(cache, flags)
    for name in path.split("/"):
        try:
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=descriptor)
            inner = os.open(name, flags, dir_fd=descriptor)
        except OSError as error:
            raise ImageError(f"/{path} of the cache is no directory: {(error.strerror or '').lower()}") from error
        finally:
            os.close(descriptor)
        descriptor = inner
    return descriptor
