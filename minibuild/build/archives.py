"""ADD's archives: recognised by their content, decompressed once into a file of the store's, read from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from minibuild.build.selecting import Content, Selected
from minibuild.errors import ContextError, ImageError, IntegrityError
from minibuild.layers.compression import decompressed, is_archive
from minibuild.layers.entry import Entry, Kind
from minibuild.layers.slice import content_of
from minibuild.layers.tar import read_entries
from minibuild.values import dataclass

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive's entries in their order, and the uncompressed tar that holds their content."""

    entries: tuple[Entry, ...]
    tar: Path

    def content(self, entry: Entry) -> Content:
        """A regular file or hard link with what it holds."""
        file = entry._replace(kind=Kind.FILE, link="")
        return Content(file, lambda: content_of(self.tar.open("rb"), file), (id(self), entry.offset))


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
            entries = tuple(_entries(_plain(spool)))
        except (ImageError, IntegrityError) as error:
            raise ContextError(
                f"{selected.path} can't be unpacked: {error.message}", span=selected.source.span
            ) from error
        yield Archive(entries, Path(spool.name))


def _entries(tar: BinaryIO) -> Iterator[Entry]:
    """The entries in their order, a later one of a name in place of the earlier; hard links say where content is."""
    found: dict[str, Entry] = {}
    for entry, _ in read_entries(tar):
        if entry.kind in (Kind.WHITEOUT, Kind.OPAQUE):
            raise IntegrityError(f"it has a name that starts with .wh. for {entry.path!r}, which would delete files")
        if entry.kind is Kind.HARDLINK:
            target = found.get(entry.link)
            if target is None or target.kind not in (Kind.FILE, Kind.HARDLINK):
                raise IntegrityError(f"{entry.path!r} is a hard link to {entry.link!r}, which is no file above it")
            entry = entry._replace(size=target.size, offset=target.offset, link=target.link or target.path)
        found[entry.path] = entry
        yield entry


def _plain(file: object) -> BinaryIO:
    assert hasattr(file, "read")
    return file  # type: ignore[return-value]  # tempfile's wrapper is a BinaryIO in all but name


def _looks_like_one(selected: Selected) -> bool:
    with selected.tree.opener(selected.entry)() as file:
        return is_archive(file)
