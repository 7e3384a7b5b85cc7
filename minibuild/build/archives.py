"""ADD's archives: recognised by their content, decompressed once into a file of the store's, read from there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from minibuild.build.selecting import Content, Selected
from minibuild.errors import ContextError, IntegrityError
from minibuild.layers.compression import decompressed, is_archive
from minibuild.layers.entry import Entry, Kind
from minibuild.layers.unpack import read_index

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive's entries in their order, and the uncompressed tar that holds their content."""

    entries: tuple[Entry, ...]
    tar: Path

    def content(self, entry: Entry) -> Content:
        """A regular file or hard link with what it holds; raises ContextError for a link to nothing."""
        target = self._target(entry)
        file = entry._replace(kind=Kind.FILE, link="", size=target.size, digest=target.digest, offset=-1)
        return Content(
            file, lambda: _part(self.tar, target.offset, target.size), (id(self), target.path, target.offset)
        )

    def _target(self, entry: Entry) -> Entry:
        for _ in range(len(self.entries)):
            if entry.kind is Kind.FILE:
                return entry
            found = [other for other in self.entries if other.path == entry.link and other is not entry]
            if not found:
                break
            entry = found[-1]
        raise ContextError(f"archive entry {entry.path} is a hard link to {entry.link}, which isn't in the archive")


@contextmanager
def opened(selected: Selected, directory: Path) -> Iterator[Archive | None]:
    """The archive that a selected file is, spooled into ``directory`` while the block lasts; None: it is none."""
    if selected.entry.kind not in (Kind.FILE, Kind.HARDLINK) or not _looks_like_one(selected):
        yield None
        return
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile(dir=directory, prefix="archive-") as spool:
        try:
            with selected.tree.opener(selected.entry)() as packed, decompressed(packed) as tar:
                while block := tar.read(_BLOCK):
                    spool.write(block)
            spool.flush()
            spool.seek(0)
            entries = read_index(_plain(spool)).entries
        except IntegrityError as error:
            raise ContextError(
                f"{selected.path} can't be unpacked: {error.message}", span=selected.source.span
            ) from error
        yield Archive(entries, Path(spool.name))


def _plain(file: object) -> BinaryIO:
    assert hasattr(file, "read")
    return file  # type: ignore[return-value]  # tempfile's wrapper is a BinaryIO in all but name


def _looks_like_one(selected: Selected) -> bool:
    with selected.tree.opener(selected.entry)() as file:
        return is_archive(file)


def _part(path: Path, offset: int, size: int) -> BinaryIO:
    if size <= _BLOCK:
        with path.open("rb") as file:
            return BytesIO(os.pread(file.fileno(), size, offset))
    file = path.open("rb")
    file.seek(offset)
    return file
