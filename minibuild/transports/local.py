"""The tree of an image as a directory, without its configuration: for the one binary that a build is all about."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from minibuild.errors import UnavailableError, UsageError
from minibuild.events import Progress, Transferred
from minibuild.layers import tar
from minibuild.layers.entry import Change, Kind
from minibuild.oci import AnyImage, Reference
from minibuild.store.blobs import disk_explained
from minibuild.transports.base import LayerContents
from minibuild.transports.merging import Part, parts_of

_BLOCK = 1 << 20
_NAMES = {Kind.DIRECTORY: "directory", Kind.SYMLINK: "symbolic link", Kind.HARDLINK: "file"}


class LocalDirectory:
    """A directory to be filled: made if it isn't there; if it is, files of the same names in it are replaced.

    Modes, times and extended attributes are kept; owners, and the attributes that only root may set, where root writes.
    Nothing is written through a symlink that is there already, and no directory gives way to a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, image: AnyImage, names: Sequence[Reference], contents: LayerContents, progress: Progress) -> None:
        """Writes all that is in the image's tree, each of several platforms in a directory; names have no place."""
        del names
        for part in parts_of(image):
            LocalDirectory(self._path / part.directory)._write(part, contents, progress)

    def _write(self, part: Part, contents: LayerContents, progress: Progress) -> None:
        if self._path.exists() and not self._path.is_dir():
            raise UsageError(f"{self._path} is a file, wanted a directory")
        with disk_explained(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists():
                _check(self._path, part, contents)
                _unpack(part, contents, progress, self._path)
                return
            draft = self._path.with_name(f".{self._path.name[:200]}.{os.urandom(4).hex()}")
            draft.mkdir()
            try:
                _unpack(part, contents, progress, draft)
                draft.rename(self._path)
            except BaseException:
                _remove(draft)
                raise


def _check(root: Path, part: Part, contents: LayerContents) -> None:
    for entry, _ in part.changes(contents):
        path = root / entry.path
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(mode) != (entry.kind is Kind.DIRECTORY):
            found = "a symbolic link" if stat.S_ISLNK(mode) else "a directory" if stat.S_ISDIR(mode) else "a file"
            raise UsageError(
                f"{path} is {found}, the image has a {_NAMES.get(entry.kind, entry.kind.value)} there",
                hint="move it away, or choose another directory",
            )


def _unpack(part: Part, contents: LayerContents, progress: Progress, root: Path) -> None:
    from minibuild.layers.unpack import WhiteoutStyle, unpack

    changes = part.changes(contents)
    stream = io.BufferedReader(_Pieces(_tar(changes if os.geteuid() == 0 else _possible(changes)), progress), _BLOCK)
    unpack(cast(BinaryIO, stream), root, WhiteoutStyle.APPLY)


def _possible(changes: Iterable[Change]) -> Iterator[Change]:
    """The entries, as long as a plain user can make them."""
    for entry, opener in changes:
        if entry.kind in (Kind.CHARACTER, Kind.BLOCK):
            raise UnavailableError(
                f"/{entry.path} is a device node, which only root can make", hint="write a tar: -o type=tar,dest=FILE"
            )
        yield entry, opener


def _tar(changes: Iterable[Change]) -> Iterator[bytes]:
    for entry, opener in changes:
        yield tar.encode(entry if entry.kind is Kind.FILE else entry._replace(size=0))
        if opener is not None:
            with opener() as content:
                while block := content.read(_BLOCK):
                    yield block
            yield tar.padding(entry.size)
    yield tar.END


class _Pieces(io.RawIOBase):
    """Pieces of bytes, read as one stream."""

    def __init__(self, pieces: Iterator[bytes], progress: Progress) -> None:
        self._pieces = pieces
        self._progress = progress
        self._rest = memoryview(b"")
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as io.BufferedReader calls it
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        self._report(count)
        return count

    def _report(self, count: int) -> None:
        before, self._done = self._done // _BLOCK, self._done + count
        if self._done // _BLOCK > before:
            self._progress(Transferred(0, "files", self._done, None))


def _remove(directory: Path) -> None:
    import shutil

    # A directory of the image may be one that nobody may write to.
    for path, names, _ in os.walk(directory):
        for name in names:
            with suppress(OSError):
                os.chmod(os.path.join(path, name), 0o700, follow_symlinks=False)
    shutil.rmtree(directory, ignore_errors=True)
