"""A file that is written whole or not at all; or standard output."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

from minibuild.errors import MinibuildError, UnavailableError, UsageError

Destination: TypeAlias = Path | BinaryIO
"""A file to be written or replaced, or a stream that is already open, such as standard output."""


@contextmanager
def written(destination: Destination) -> Iterator[BinaryIO]:
    """What is written inside stands at the destination afterwards; after an error, whatever stood there before.

    Raises UsageError for what can't be a file, UnavailableError where it may not or can't be written.
    """
    name = str(destination) if isinstance(destination, Path) else "standard output"
    try:
        if isinstance(destination, Path):
            with _file(destination) as sink:
                yield sink
        else:
            if destination.isatty():
                raise UsageError("an image is no text for a terminal", hint="redirect standard output, or name a file")
            yield destination
            destination.flush()
    except OSError as error:
        explained = _explained(error, name)
        if explained is None:
            raise
        raise explained from error


@contextmanager
def _file(path: Path) -> Iterator[BinaryIO]:
    path = Path(os.path.realpath(path))
    if path.is_dir():
        raise UsageError(f"{path} is a directory, wanted a file")
    if not path.parent.is_dir():
        raise UsageError(f"{path.parent} is no directory that {path.name} could be written to")
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):
        # /dev/null, a FIFO: nothing to replace.
        with _opened(path, path, os.O_WRONLY) as file:
            yield file
        return
    draft = path.with_name(f".{path.name[:200]}.{os.urandom(4).hex()}")
    try:
        with _opened(draft, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as file:
            yield file
        os.replace(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _opened(path: Path, name: Path, flags: int) -> BinaryIO:
    try:
        return open(os.open(path, flags | os.O_CLOEXEC, 0o666), "wb", buffering=1 << 20)
    except OSError as error:
        raise UnavailableError(f"{name} can't be written: {error.strerror}", hint="choose another place") from error


def _explained(error: OSError, name: str) -> MinibuildError | None:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return UnavailableError(
                f"{name} has no room left on its disk", hint="free some space, or choose another place"
            )
        case errno.EFBIG:
            return UnavailableError(f"{name} is too large for its filesystem", hint="choose another place")
        case errno.EPIPE:
            return UnavailableError(f"{name} was closed before all was written")
    return None
