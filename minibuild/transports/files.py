"""Files by relative name, of a directory or of an archive, read and never extracted.

Names come from documents that strangers wrote: whatever isn't a regular file below the root isn't there.
"""

from __future__ import annotations

import io
import os
import posixpath
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from minibuild.errors import ImageError, IntegrityError
from minibuild.layers import pax
from minibuild.layers.header import BLOCK, Header, parse
from minibuild.store.blobs import DOCUMENT_LIMIT

_READ_AHEAD = 64 << 10
_REGULAR = b"0\0" + b"7"
_LINKS = b"12"
_MOST_LINKS = 8
_MOST_MEMBERS = 100_000


class Files(Protocol):
    """Where an image's files lie."""

    where: str
    """What people call it."""

    def size(self, name: str) -> int | None:
        """How many bytes a file has; None where there is no such regular file."""

    def open(self, name: str) -> BinaryIO:
        """A file's content from its start; the caller closes it. Raises ImageError where there is none."""


def read(files: Files, name: str) -> bytes:
    """A document, whole; raises ImageError where there is none or it has more than 4 MiB."""
    size = files.size(name)
    if size is None:
        raise ImageError(f"{files.where} has no file {name}")
    if size > DOCUMENT_LIMIT:
        raise ImageError(f"{files.where} has a {name} of {size} bytes, a document has 4 MiB at most")
    with files.open(name) as stream:
        return stream.read(size)


class Directory:
    """The files below a directory."""

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path

    def size(self, name: str) -> int | None:
        with suppress(OSError):
            found = os.stat(self._path / name)
            return found.st_size if stat.S_ISREG(found.st_mode) else None
        return None

    def open(self, name: str) -> BinaryIO:
        # Non-blocking, since somebody may have put a FIFO there after we looked.
        try:
            descriptor = os.open(self._path / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ImageError(f"{self._path / name} can't be read: {error.strerror}") from error
        file = open(descriptor, "rb")  # noqa: SIM115 - the caller closes it
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise ImageError(f"{self._path / name} is no regular file")
        return file


class Archive:
    """The members of a tar, found by seeking over their content. Threads may share it.

    Links are followed within the archive, as ``docker save`` once used them for layers it had written before.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        self.where = where
        self._file = file
        self._members: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self._scan()

    def close(self) -> None:
        """Closes the archive's file."""
        self._file.close()

    def size(self, name: str) -> int | None:
        found = self._find(name)
        return found[1] if found else None

    def open(self, name: str) -> BinaryIO:
        found = self._find(name)
        if found is None:
            raise ImageError(f"{self.where} has no file {name}")
        return cast(BinaryIO, io.BufferedReader(_Member(self._file, *found), _READ_AHEAD))

    def _find(self, name: str) -> tuple[int, int] | None:
        name = _clean(name)
        for _ in range(_MOST_LINKS):
            if name not in self._links:
                return self._members.get(name)
            name = self._links[name]
        return None

    def _scan(self) -> None:
        size = self._file.seek(0, os.SEEK_END)
        position = 0
        extended: dict[bytes, bytes] = {}
        while (block := self._block(position)) and any(block):
            header = parse(block)
            position += BLOCK
            if header.flag in b"xgLK":
                extended |= self._extension(header, position)
                length = header.size
            else:
                length = self._add(header, extended, position)
                extended = {}
            position += length + (-length % BLOCK)
            if position > size:
                raise IntegrityError(f"{self.where} ends in the middle of {header.name!r}")
            if len(self._members) + len(self._links) > _MOST_MEMBERS:
                raise ImageError(f"{self.where} has more than {_MOST_MEMBERS} members, which no image has")

    def _block(self, position: int) -> bytes:
        self._file.seek(position)
        block = self._file.read(BLOCK)
        return block if len(block) == BLOCK else b""

    def _extension(self, header: Header, position: int) -> dict[bytes, bytes]:
        if not 0 <= header.size <= pax.LARGEST:
            raise ImageError(f"{self.where} has PAX records or a long name of {header.size} bytes")
        self._file.seek(position)
        raw = self._file.read(header.size)
        match header.flag:
            case b"L":
                return {b"path": raw.partition(b"\0")[0]}
            case b"K":
                return {b"linkpath": raw.partition(b"\0")[0]}
            case b"x":
                return pax.decode(raw, header.name)
        return {}

    def _add(self, header: Header, extended: dict[bytes, bytes], position: int) -> int:
        """Notes a member down and answers how long its content is."""
        name = _clean(os.fsdecode(extended.get(b"path", b"")) or header.name)
        digits = extended.get(b"size", b"")
        size = int(digits) if digits.isdigit() and len(digits) < 20 else header.size
        if size < 0:
            raise ImageError(f"{self.where} has a size of {size} bytes for {name!r}")
        # A name that comes again is another file: the last one counts, as when archives are unpacked.
        self._members.pop(name, None)
        self._links.pop(name, None)
        if header.flag in _REGULAR:
            self._members[name] = (position, size)
            return size
        if header.flag in _LINKS:
            target = os.fsdecode(extended.get(b"linkpath", b"")) or header.link
            self._links[name] = _clean(target if header.flag == b"1" else posixpath.join("/", name, "..", target))
        return 0


class _Member(io.RawIOBase):
    """A piece of a file, read without moving the file's own position."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._position, self._end = start, start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as io.BufferedReader calls it
        wanted = min(len(buffer), self._end - self._position)
        data = os.pread(self._file.fileno(), wanted, self._position) if wanted else b""
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def _clean(name: str) -> str:
    """The name in one spelling, with no way out of the root."""
    return posixpath.normpath("/" + name).lstrip("/")
