"""The cache: what a step with a key made, on which parent. One sqlite file, imported when first asked.

It may be deleted at any time; a file that sqlite can't read is thrown away and begun anew.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from minibuild.errors import UnavailableError
from minibuild.oci import Descriptor, Digest, Layer
from minibuild.oci.digest import chain_id
from minibuild.store.locks import locked
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    import sqlite3

SCHEMA = 2
_WAIT_S = 30
_CREATE = """
    CREATE TABLE IF NOT EXISTS records (
        key TEXT NOT NULL, parent TEXT NOT NULL, result TEXT NOT NULL, place TEXT NOT NULL, created TEXT NOT NULL,
        chain TEXT NOT NULL, layer TEXT, parts TEXT NOT NULL, parent_diff_ids TEXT NOT NULL,
        image TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (key, parent));
    CREATE INDEX IF NOT EXISTS places ON records (place);
"""
_COLUMNS = "key, parent, result, place, created, chain, layer, parts, parent_diff_ids, image"

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What a step made. ``layer`` is None for a step without one, ``chain`` "" where it made no tree of its own.

    ``parts`` are the key's typed parts (JSON values), to explain a later miss; ``parent_diff_ids`` the layers it
    stands on, oldest first; ``created`` RFC 3339; ``result`` the key that the next step takes for its parent's, where
    this one is known by several ("" for ``key`` itself); ``image`` the digest of the step's own manifest, which is
    kept with the record ("" for none); ``place`` tells the same step of the same Dockerfile's earlier builds,
    whatever its key was.
    """

    key: str
    parts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    layer: Layer | None = None
    chain: str = ""
    parent_diff_ids: tuple[Digest, ...] = ()
    created: str = ""
    result: str = ""
    image: str = ""
    place: str = ""


class Records:
    """The records of a store; threads may share it, and processes the file. ``holds`` tells whether a layer is to be
    had.
    """

    def __init__(self, path: Path, holds: Callable[[Descriptor], bool], lock: Path) -> None:
        self._path = path
        self._holds = holds
        self._lock = lock
        self._mutex = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._found: set[tuple[str, str]] = set()

    def find(self, key: str, parent_diff_ids: Sequence[Digest]) -> Record | None:
        """What a step with this key made on that very parent; None where nothing did, or its layer is gone."""
        query = f"SELECT {_COLUMNS} FROM records WHERE key = ? AND parent = ?"
        rows = self._run(lambda database: database.execute(query, (key, _parent(parent_diff_ids))).fetchall())
        record = _record(rows[0]) if rows else None
        if record is None or not self._is_whole(record):
            return None
        self._found.add((key, _parent(parent_diff_ids)))
        return record

    def has(self, key: str) -> bool:
        """There is a record of this key, on whatever parent: ``find`` may be worth waiting for."""
        query = "SELECT 1 FROM records WHERE key = ? LIMIT 1"
        return bool(self._run(lambda database: database.execute(query, (key,)).fetchall()))

    def has_any_upon(self, parent_diff_ids: Sequence[Digest]) -> bool:
        """Something was put upon that parent before."""
        query = "SELECT 1 FROM records WHERE parent = ? LIMIT 1"
        return bool(self._run(lambda database: database.execute(query, (_parent(parent_diff_ids),)).fetchall()))

    def has_effect(self, effect: Mapping[str, Any], parent_diff_ids: Sequence[Digest]) -> bool:
        """There is a record of an effect upon a parent, whatever its inputs were. ``effect`` is as parts have it."""
        # Parts may be of megabytes, so they aren't parsed: sorted keys have the effect come first.
        begin = json.dumps({"effect": effect}, sort_keys=True)[:-1] + ","
        query = "SELECT 1 FROM records WHERE parent = ? AND substr(parts, 1, ?) = ? LIMIT 1"
        values = (_parent(parent_diff_ids), len(begin), begin)
        return bool(self._run(lambda database: database.execute(query, values).fetchall()))

    def latest(self, place: str, most: int = 8) -> tuple[Record, ...]:
        """The newest records of a place, whole or not, newest first: what a miss is compared with."""
        query = f"SELECT {_COLUMNS} FROM records WHERE place = ? ORDER BY rowid DESC LIMIT ?"
        return tuple(map(_record, self._run(lambda database: database.execute(query, (place, most)).fetchall())))

    def put(self, record: Record) -> None:
        """Keeps a record, instead of an earlier one of the same key and parent."""
        query = f"INSERT OR REPLACE INTO records ({_COLUMNS}, used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._run(lambda database: database.execute(query, (*_row(record), int(time()))).fetchall())

    def adopt(self, records: Iterable[Record]) -> int:
        """Keeps records of another store's that aren't known here, or whose layers are gone; answers how many."""
        mark, adopted = frozenset(self._found), 0
        for record in records:
            if self.find(record.key, record.parent_diff_ids) is None:
                self.put(record)
                adopted += 1
        self._found = set(mark)  # to have looked is no use
        return adopted

    def forget_layers(self, digests: Iterable[Digest]) -> int:
        """Forgets the records whose layers are these blobs; answers how many that were."""
        query = "DELETE FROM records WHERE instr(layer, ?) RETURNING key"
        names = [json.dumps({"digest": digest})[1:-1] for digest in digests]  # as a row names its layer's blob
        return len(self._run(lambda database: [row for name in names for row in database.execute(query, (name,))]))

    def all(self) -> tuple[Record, ...]:
        """Every record, oldest first."""
        query = f"SELECT {_COLUMNS} FROM records ORDER BY rowid"
        return tuple(map(_record, self._run(lambda database: database.execute(query).fetchall())))

    def mark_used(self) -> None:
        """Writes down that all that was found since then has been of use now."""
        found, self._found = self._found, set()
        query = "UPDATE records SET used = ? WHERE key = ? AND parent = ?"
        rows = [(int(time()), *place) for place in found]
        if rows:
            self._run(lambda database: database.executemany(query, rows).fetchall())

    def used(self) -> tuple[tuple[int, Record], ...]:
        """Every record with the time when it was last of use, in seconds since the epoch; longest ago first."""
        query = f"SELECT used, {_COLUMNS} FROM records ORDER BY used, rowid"
        rows = self._run(lambda database: database.execute(query).fetchall())
        return tuple((used, _record(tuple(row))) for used, *row in rows)

    def remove(self, record: Record) -> None:
        """Forgets a record."""
        query = "DELETE FROM records WHERE key = ? AND parent = ?"
        values = (record.key, _parent(record.parent_diff_ids))
        self._run(lambda database: database.execute(query, values).fetchall())

    def close(self) -> None:
        """Closes the file; the next question opens it again."""
        with self._mutex:
            if self._connection:
                self._connection.close()
            self._connection = None

    def _is_whole(self, record: Record) -> bool:
        return record.layer is None or self._holds(record.layer.descriptor)

    def _run(self, work: Callable[[sqlite3.Connection], list[Row]]) -> list[Row]:
        import sqlite3

        with self._mutex:
            try:
                try:
                    return work(self._open())
                except sqlite3.OperationalError:
                    raise
                except sqlite3.DatabaseError:
                    self._start_anew()
                    return work(self._open())
            except sqlite3.Error as error:
                raise UnavailableError(
                    f"{self._path} can't be used: {error}", hint="free some space, or delete it: only the cache is lost"
                ) from error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            import sqlite3

            connection = sqlite3.connect(
                self._path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False, cached_statements=16
            )
            self._connection = connection
            connection.execute("PRAGMA synchronous = NORMAL")
            if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
                self._create(connection)
        return self._connection

    def _create(self, connection: sqlite3.Connection) -> None:
        # Under a lock of our own: sqlite doesn't wait for another process that is changing the journal mode.
        with locked(self._lock):
            connection.execute("PRAGMA journal_mode = WAL")
            if connection.execute("PRAGMA user_version").fetchone()[0] not in (0, SCHEMA):
                connection.execute("DROP TABLE IF EXISTS records")
            connection.executescript(f"{_CREATE} PRAGMA user_version = {SCHEMA};")

    def _start_anew(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
        with locked(self._lock):
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)


def _parent(diff_ids: Sequence[Digest]) -> str:
    return chain_id(diff_ids) or ""


def _row(record: Record) -> Row:
    layer = record.layer and json.dumps({"diff_id": record.layer.diff_id, **record.layer.descriptor.encode()})
    return (
        record.key,
        _parent(record.parent_diff_ids),
        record.result,
        record.place,
        record.created,
        record.chain,
        layer,
        json.dumps(dict(record.parts), sort_keys=True),
        json.dumps(record.parent_diff_ids),
        record.image,
    )


def _record(row: Row) -> Record:
    key, _, result, place, created, chain, layer, parts, parent_diff_ids, image = row
    document = json.loads(layer) if layer else None
    return Record(
        key=key,
        parts=json.loads(parts),
        layer=Layer(Descriptor.parse(document), Digest.parse(document["diff_id"])) if document else None,
        chain=chain,
        parent_diff_ids=tuple(map(Digest, json.loads(parent_diff_ids))),
        created=created,
        result=result,
        place=place,
        image=image,
    )
