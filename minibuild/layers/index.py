"""One layer's table: what it holds, answered without opening it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

from minibuild.errors import ImageError, IntegrityError
from minibuild.layers.entry import NO_XATTRS, Entry, Kind
from minibuild.values import dataclass, field

TEXTS = ("etc/passwd", "etc/group")
"""The files whose content an index keeps, since nearly every build asks for them."""
LARGEST_TEXT = 1 << 20

MOST_MEMORY = 1 << 30
"""Bytes that the names and attributes of one layer may take, roughly. A few kilobytes of a tar can name a chain of two
thousand directories, and compress to nothing: without a limit a small layer could fill any memory.
"""

_FORMAT = 1
_ENTRY_MEMORY = 200
_LETTERS: Mapping[Kind, str] = {
    Kind.FILE: "f",
    Kind.DIRECTORY: "d",
    Kind.SYMLINK: "l",
    Kind.HARDLINK: "h",
    Kind.CHARACTER: "c",
    Kind.BLOCK: "b",
    Kind.FIFO: "p",
    Kind.WHITEOUT: "w",
    Kind.OPAQUE: "o",
}
_KIND_OF = {letter: kind for kind, letter in _LETTERS.items()}
_DELETIONS = (Kind.WHITEOUT, Kind.OPAQUE)


@dataclass(frozen=True)
class Index:
    """The entries of a layer, in its tar's order, no path twice (but a path may be deleted and made anew).

    A HARDLINK has all that its target has (mode, size, digest, offset…) beside its own path and ``link``. ``texts`` is
    the content of the files of ``TEXTS``, where they are regular and not large. Make one with an ``IndexBuilder``.
    """

    entries: tuple[Entry, ...]
    texts: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def find(self, path: str) -> Entry | None:
        """The entry of that very path, a hard link as the file it is; None where the layer has none (it may still
        have the path as a directory that nothing is said of, see ``directories``).
        """
        entry = self._by_path.get(path)
        return entry._replace(kind=Kind.FILE, link="") if entry and entry.kind is Kind.HARDLINK else entry

    def children(self, path: str) -> Sequence[str]:
        """The names that the layer has in a directory, sorted."""
        return self._children.get(path, ())

    def deleted_children(self, path: str) -> Sequence[str]:
        """The names that the layer deletes in a directory."""
        return self._deleted_children.get(path, ())

    def emptied_children(self, path: str) -> Sequence[str]:
        """The names in a directory below which the layer deletes something, and has nothing itself."""
        return self._emptied_children.get(path, ())

    @cached_property
    def whiteouts(self) -> frozenset[str]:
        """The paths that the layer deletes from those below."""
        return frozenset(entry.path for entry in self.entries if entry.kind is Kind.WHITEOUT)

    @cached_property
    def opaques(self) -> frozenset[str]:
        """The directories in which the layer hides whatever those below hold."""
        return frozenset(entry.path for entry in self.entries if entry.kind is Kind.OPAQUE)

    @cached_property
    def directories(self) -> frozenset[str]:
        """The paths that are directories in the layer, those included that only follow from what stands in them; the
        root is always one.
        """
        found = {""}
        for path, kind, *_ in self.entries:
            if kind is Kind.WHITEOUT:
                continue
            if kind is not Kind.DIRECTORY and kind is not Kind.OPAQUE:
                path = path.rpartition("/")[0]
            while path not in found:
                found.add(path)
                path = path.rpartition("/")[0]
        return frozenset(found)

    @cached_property
    def emptied(self) -> frozenset[str]:
        """The directories below which the layer deletes something, and has nothing itself."""
        found: set[str] = set()
        for path in self.whiteouts:
            path = path.rpartition("/")[0]
            while path not in self.directories and path not in found and path not in self._by_path:
                found.add(path)
                path = path.rpartition("/")[0]
        return frozenset(found)

    def encode(self) -> bytes:
        """JSON, a column for each field: a third of the size of an object for each entry, and read four times as
        fast.
        """
        entries = self.entries
        columns = list(zip(*entries, strict=True)) or [()] * len(Entry._fields)
        paths, kinds, modes, uids, gids, sizes, mtimes, links, devices, xattrs, digests, offsets = columns
        document = {
            "format": _FORMAT,
            "paths": paths,
            "kinds": "".join(map(_LETTERS.__getitem__, kinds)),
            "modes": modes,
            "uids": uids,
            "gids": gids,
            "sizes": sizes,
            "mtimes": mtimes,
            "links": {number: link for number, link in enumerate(links) if link},
            "devices": {number: device for number, device in enumerate(devices) if device != (0, 0)},
            "xattrs": {
                number: {name: value.hex() for name, value in sorted(attributes.items())}
                for number, attributes in enumerate(xattrs)
                if attributes
            },
            "digests": digests,
            "offsets": offsets,
            "texts": {path: text.decode("latin-1") for path, text in sorted(self.texts.items())},
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, raw: bytes) -> Index:
        """The index of these bytes; raises IntegrityError where they are damaged or of another version's format."""
        try:
            document = json.loads(raw)
            if document["format"] != _FORMAT:
                raise IntegrityError(f"the index has the format {document['format']!r}, wanted {_FORMAT}")
            texts = {path: text.encode("latin-1") for path, text in document["texts"].items()}
            return cls(tuple(_rows(document)), MappingProxyType(texts))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise IntegrityError(f"the index is damaged ({type(error).__name__}: {error})") from error

    @cached_property
    def _by_path(self) -> Mapping[str, Entry]:
        return {entry.path: entry for entry in self.entries if entry.kind not in _DELETIONS}

    @cached_property
    def _children(self) -> Mapping[str, Sequence[str]]:
        return _by_parent(sorted({*self._by_path, *self.directories} - {""}))

    @cached_property
    def _deleted_children(self) -> Mapping[str, Sequence[str]]:
        return _by_parent(self.whiteouts)

    @cached_property
    def _emptied_children(self) -> Mapping[str, Sequence[str]]:
        return _by_parent(self.emptied)


class IndexBuilder:
    """Puts a layer's entries together in the order they are unpacked, and refuses those that contradict one another.

    A path may come again: the later one replaces the earlier, but a directory is never replaced by something else
    (what would become of the files in it?), and nothing may stand below what isn't a directory.
    """

    def __init__(self, most_memory: int = MOST_MEMORY) -> None:
        self._entries: dict[str, Entry] = {}  # by path; deletions by a key that is no path
        self.directories: set[str] = {""}
        self.texts: dict[str, bytes] = {}
        self._most_memory, self._memory = most_memory, 0

    def find(self, path: str) -> Entry | None:
        """The entry of that path so far, a HARDLINK with all that its target has; no deletions."""
        return self._entries.get(path)

    def deletes(self, path: str) -> bool:
        """A whiteout for that very path has come."""
        return _deletion_key(Kind.WHITEOUT, path) in self._entries

    def add(self, entry: Entry) -> Entry:
        """Takes up one more entry and answers it as the index will have it; raises ImageError for one that can't be."""
        path, kind = entry.path, entry.kind
        self._count(_ENTRY_MEMORY + len(path) + len(entry.link))
        if entry.xattrs:
            self._count(sum(len(name) + len(value) for name, value in entry.xattrs.items()))
        if kind is Kind.WHITEOUT or kind is Kind.OPAQUE:
            if kind is Kind.OPAQUE:
                self._enter(path, path)
            self._entries[_deletion_key(kind, path)] = entry
            return entry
        parent = path.rpartition("/")[0]
        if parent not in self.directories:
            self._enter(parent, path)
        if kind is Kind.HARDLINK:
            entry = self._linked(entry)
        if kind is Kind.DIRECTORY:
            self.directories.add(path)
        elif path in self.directories:
            raise ImageError(f"{path!r} is a directory and something else in one layer")
        self._entries.pop(path, None)
        self._entries[path] = entry
        return entry

    def complete(self) -> Index:
        """The index of all that came."""
        texts = {path: text for path, text in self.texts.items() if self._has_text(path, len(text))}
        return Index(tuple(self._entries.values()), MappingProxyType(texts))

    def _enter(self, directory: str, path: str) -> None:
        """Makes sure that a directory and all above it are directories in this layer, if anything."""
        new = []
        while directory not in self.directories:
            above = self._entries.get(directory)
            if above is not None:
                raise ImageError(f"{path!r} stands below {directory!r}, which its layer has as a {above.kind}")
            new.append(directory)
            self._count(len(directory))
            directory = directory.rpartition("/")[0]
        self.directories.update(new)

    def _count(self, size: int) -> None:
        self._memory += size
        if self._memory > self._most_memory:
            raise ImageError(f"a layer has more entries, or longer names, than {self._most_memory} bytes can hold")

    def _linked(self, entry: Entry) -> Entry:
        """A hard link with all that its target has; a copy of the target where that is no file."""
        target = self._entries.get(entry.link)
        if target is None or target.kind is Kind.DIRECTORY:
            what = "its layer doesn't hold before it" if target is None else "is a directory"
            raise ImageError(f"{entry.path!r} is a hard link to {entry.link!r}, which {what}")
        if entry.path == entry.link:
            return target  # GNU tar writes this of a file that was named twice
        if target.kind in (Kind.FILE, Kind.HARDLINK):
            return target._replace(path=entry.path, kind=Kind.HARDLINK, link=entry.link)
        return target._replace(path=entry.path)

    def _has_text(self, path: str, size: int) -> bool:
        entry = self._entries.get(path)
        return entry is not None and entry.kind is Kind.FILE and entry.size == size


def _by_parent(paths: Iterable[str]) -> Mapping[str, Sequence[str]]:
    """The names in each directory, in the order of the paths."""
    found: dict[str, list[str]] = {}
    for path in paths:
        parent, _, name = path.rpartition("/")
        found.setdefault(parent, []).append(name)
    return found


def _deletion_key(kind: Kind, path: str) -> str:
    return f"\0{kind}/{path}"


def _rows(document: Mapping[str, Any]) -> Iterator[Entry]:
    """The entries that the columns of a JSON document make."""
    count = len(document["paths"])
    links, devices, xattrs = [""] * count, [(0, 0)] * count, [NO_XATTRS] * count
    for number, link in document["links"].items():
        links[int(number)] = link
    for number, (major, minor) in document["devices"].items():
        devices[int(number)] = (major, minor)
    for number, attributes in document["xattrs"].items():
        xattrs[int(number)] = {name: bytes.fromhex(value) for name, value in attributes.items()}
    kinds = map(_KIND_OF.__getitem__, document["kinds"])
    known = (document[name] for name in ("paths", "modes", "uids", "gids", "sizes", "mtimes", "digests", "offsets"))
    paths, modes, uids, gids, sizes, mtimes, digests, offsets = known
    columns = (paths, kinds, modes, uids, gids, sizes, mtimes, links, devices, xattrs, digests, offsets)
    return map(Entry._make, zip(*columns, strict=True))
