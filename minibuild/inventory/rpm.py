"""RPM's packages: headers out of each of the databases that rpm has had.

Source: rpm's lib/backend/sqlite.c, ndb/rpmpkg.c, bdb_ro.c.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from minibuild.errors import ImageError
from minibuild.inventory import berkeley
from minibuild.inventory.evidence import Evidence
from minibuild.inventory.package import Package
from minibuild.inventory.rpm_header import fields_of
from minibuild.layers.entry import Entry, Kind

_DIRECTORIES = ("var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/")
_LARGEST = 512 << 20
# A view in the place of the table could compute for ever.
_MOST_STEPS = 50_000_000
_STEPS = 100_000

_FOUR = struct.Struct("<4s3I")
_PAGE, _UNIT = 4096, 16
_LENGTH_OF_COUNTER = 4


def tells(entry: Entry) -> bool:
    """It is a database of rpm."""
    return entry.path.startswith(_DIRECTORIES) and f"{entry.parent}/" in _DIRECTORIES and entry.name in _FORMATS


def read(evidence: Evidence) -> Iterator[Package]:
    """The packages that are installed; the keys of signers stand among them, and are none."""
    for header in _FORMATS[evidence.entry.name](evidence):
        package = _package(evidence, header)
        if package.name != "gpg-pubkey":
            yield package


def _package(evidence: Evidence, header: bytes) -> Package:
    fields = fields_of(header)
    name, version, release, epoch = (fields.get(key, "") for key in ("name", "version", "release", "epoch"))
    if not name or not version:
        raise ImageError("it has a package without a name or a version")
    return evidence.package(
        "rpm",
        name,
        f"{epoch + ':' if epoch else ''}{version}{'-' + release if release else ''}",
        fields.get("licence", ""),
        arch=fields.get("arch", ""),
        epoch=epoch,
        upstream=fields.get("source", ""),
    )


def _from_sqlite(evidence: Evidence) -> Iterator[bytes]:
    """SQLite reads files: the database is copied out, with what was last written and hasn't been merged yet."""
    with TemporaryDirectory(prefix="minibuild-") as directory:
        for suffix in ("", "-wal"):
            _copy(evidence, suffix, Path(directory, f"copy{suffix}"))
        with closing(sqlite3.connect(Path(directory, "copy"))) as database:
            steps = iter(range(_MOST_STEPS // _STEPS))
            database.set_progress_handler(lambda: next(steps, None) is None, _STEPS)
            database.execute("PRAGMA trusted_schema = OFF")
            for (blob,) in database.execute("SELECT blob FROM Packages ORDER BY hnum"):
                if not isinstance(blob, bytes):
                    raise ImageError("its table Packages has something else than headers")
                yield blob


def _copy(evidence: Evidence, suffix: str, target: Path) -> None:
    entry = evidence.tree.find(evidence.entry.path + suffix)
    if entry is not None and entry.kind is Kind.FILE:
        with replace(evidence, entry=entry).open(_LARGEST) as content, target.open("wb") as file:
            shutil.copyfileobj(content, file)


def _from_ndb(evidence: Evidence) -> Iterator[bytes]:
    """A header of 32 bytes, pages of slots, and blobs in units of 16 bytes; little-endian."""
    left = evidence.entry.size
    with evidence.open(_LARGEST) as content:
        magic, version, _, pages = _FOUR.unpack(content.read(_FOUR.size))
        if magic != b"RpmP" or version:
            raise ImageError("it is no ndb database of version 0")
        slots = content.read(max(min(pages * _PAGE, left) - _FOUR.size, 0))[_FOUR.size :]
        for place in range(0, len(slots) - _FOUR.size + 1, _FOUR.size):
            slot, number, offset, _ = _FOUR.unpack_from(slots, place)
            if slot != b"Slot":
                raise ImageError("it has a slot that is none")
            if number:
                header = _blob(content, offset * _UNIT, number)
                left -= len(header)
                if left < 0:
                    raise ImageError("it has headers that overlap")
                yield header


def _blob(content: BinaryIO, offset: int, number: int) -> bytes:
    content.seek(offset)
    magic, owner, _, size = _FOUR.unpack(content.read(_FOUR.size))
    if magic != b"BlbS" or owner != number:
        raise ImageError(f"it has no header of package {number} where it says")
    return content.read(size)


def _from_berkeley(evidence: Evidence) -> Iterator[bytes]:
    """The values but one: how many packages there have been."""
    with evidence.open(_LARGEST) as content:
        for value in berkeley.values(content, evidence.entry.size):
            if len(value) > _LENGTH_OF_COUNTER:
                yield value


# What the file is called → what reads it.
_FORMATS: Mapping[str, Callable[[Evidence], Iterator[bytes]]] = {
    "Packages": _from_berkeley,
    "Packages.db": _from_ndb,
    "rpmdb.sqlite": _from_sqlite,
}
