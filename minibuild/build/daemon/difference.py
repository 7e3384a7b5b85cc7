"""What a container has changed, out of the daemon's list of it and its export of the whole tree.

The list says what was touched; the export, which has no other form, what it is now. The rules of ``snapshots``'
``difference`` hold, so that the layer is the one that a tree on disk would have given; but of extended attributes the
daemon tells those alone that it keeps itself (docker: ``security.capability``).
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from minibuild.build.daemon.furnishing import FRESH
from minibuild.errors import ImageError
from minibuild.layers.entry import NO_XATTRS, Change, Entry, Kind, Opener
from minibuild.layers.names import check_unmarked
from minibuild.layers.slice import content_of
from minibuild.layers.tar import Content, read_entries
from minibuild.layers.tree import Tree, ancestors
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from docker import DockerClient

_DELETED = 2
# What docker and podman put into every tree that lacks it, and so are no change; its directory is as old then.
_DAEMONS_OWN = ("etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", "run/.containerenv")
_CHUNK = 1 << 20
_KEPT_XATTRS = ("user.", "trusted.", "system.posix_acl_", "security.capability")


def changes_in(
    client: DockerClient, identity: str, before: Tree, hidden: frozenset[str], spool: BinaryIO
) -> list[Change]:
    """The difference of a container that has ended to the tree it began with, as a layer's entries in the order of
    their paths. What is at the ``hidden`` paths and below, and what was made to mount them on, is left out. The content
    of files goes to ``spool``, which must stay open as long as the changes are of use.
    """
    api: Any = client.api
    listed = {item["Path"].lstrip("/"): item["Kind"] for item in api.diff(identity) or ()}
    listed = {path: kind for path, kind in listed.items() if not _is_hidden(path, hidden)}
    for path in listed:
        check_unmarked(path)
    found = _Found(before, listed, hidden, spool)
    found.read(cast(BinaryIO, io.BufferedReader(_Pieces(api.export(identity)), _CHUNK)))
    return found.changes(_made_for(hidden, before))


@dataclass
class _Found:
    """What an export shows of what was listed. Keys are paths as the daemon's JSON spells them."""

    before: Tree
    listed: Mapping[str, int]
    hidden: frozenset[str]
    spool: BinaryIO
    now: dict[str, Entry] = field(default_factory=dict)
    links: dict[str, list[Entry]] = field(default_factory=dict)
    touched: dict[str, Entry] = field(default_factory=dict)
    """Directories that aren't listed, and have other times than before."""
    own: dict[str, int] = field(default_factory=dict)
    """When the daemon put something of its own into directories."""

    def read(self, stream: BinaryIO) -> None:
        """Reads the export to its end; keeps what is of use."""
        for entry, content in read_entries(stream):
            if entry.kind is Kind.HARDLINK:
                self.links.setdefault(entry.link, []).append(entry)
            elif _spelt(entry.path) in self.listed:
                entry = entry._replace(xattrs=_kept(entry.xattrs))
                self.now[_spelt(entry.path)] = self._copied(entry, content) if entry.kind is Kind.FILE else entry
            elif entry.kind is Kind.DIRECTORY:
                self._look_at(entry)
            elif entry.path in _DAEMONS_OWN:
                self.own[entry.parent] = max(entry.mtime, self.own.get(entry.parent, 0))
        self.spool.flush()
        for path, entry in self.touched.items():
            if self.own.get(path) != entry.mtime:
                self.now[_spelt(path)] = entry

    def _look_at(self, directory: Entry) -> None:
        """Remembers a directory whose time alone has changed: for the daemon that is no change."""
        path = directory.path
        if path and path.partition("/")[0] not in FRESH and not _is_hidden(path, self.hidden):
            earlier = self.before.find(path, follow=False)
            if earlier is not None and self.before.describes(path) and earlier.mtime != directory.mtime:
                self.touched[path] = directory._replace(xattrs=_kept(directory.xattrs))

    def changes(self, made: frozenset[str]) -> list[Change]:
        """The entries of a layer; ``made`` are directories that are there for mounts' sake unless more is in them."""
        chosen = {entry.path: entry for entry in self.now.values() if self._differs(entry)}
        for first, links in self.links.items():
            if first in chosen or any(_spelt(link.path) in self.listed for link in links):
                file = chosen.setdefault(first, self._first(first))
                chosen |= {link.path: file._replace(path=link.path) for link in links}
        entries = chosen | self._gone(chosen)
        wanted = entries.keys() - made
        for above in {above for path in wanted for above in ancestors(path) if above}:
            wanted |= {above}
            entries.setdefault(above, self._directory(above))
        return list(self._linked(entries[path] for path in sorted(wanted, key=lambda path: path.split("/"))))

    def _copied(self, entry: Entry, content: Content) -> Entry:
        offset, digest = self.spool.seek(0, os.SEEK_END), hashlib.sha256()
        while piece := content.read(_CHUNK):
            digest.update(piece)
            self.spool.write(piece)
        return entry._replace(offset=offset, digest=f"sha256:{digest.hexdigest()}")

    def _differs(self, entry: Entry) -> bool:
        """It isn't what was there before: the daemon lists what was only opened for writing, too."""
        earlier = self.before.find(entry.path, follow=False)
        return earlier is None or entry._replace(offset=0) != earlier._replace(
            path=entry.path, offset=0, xattrs=_kept(earlier.xattrs)
        )

    def _first(self, path: str) -> Entry:
        """A file that a further name was given."""
        found = self.now.get(_spelt(path)) or self.before.find(path, follow=False)
        if found is None:
            raise ImageError(f"the docker daemon's export has no {path!r}, to which it has links")
        return found

    def _gone(self, chosen: Mapping[str, Entry]) -> dict[str, Entry]:
        """The whiteouts: what was there before in directories that are still there."""
        gone: dict[str, Entry] = {}
        listed = sorted((path for path, kind in self.listed.items() if kind == _DELETED), key=len)
        for path in listed:
            above = ancestors(path)
            replaced = any(one in chosen and chosen[one].kind is not Kind.DIRECTORY for one in above)
            if path in self.now or replaced or any(one in gone for one in above):
                continue
            if self.before.find(path, follow=False) is not None:
                gone[path] = Entry(path, Kind.WHITEOUT)
        return gone

    def _directory(self, path: str) -> Entry:
        found = self.now.get(_spelt(path)) or self.before.find(path, follow=False)
        return found or Entry(path, Kind.DIRECTORY, 0o755)

    def _linked(self, entries: Iterable[Entry]) -> Iterator[Change]:
        """The entries with what opens them: of the names of one file the first is the file, the others are links."""
        first_of = {link.path: first for first, links in self.links.items() for link in links}
        named: dict[str, str] = {}
        for entry in entries:
            if entry.kind is not Kind.FILE:
                yield entry, None
                continue
            first = first_of.get(entry.path, entry.path)
            name = named.setdefault(first, entry.path)
            if name == entry.path:
                yield entry, self._opener(first, entry)
            else:
                yield entry._replace(kind=Kind.HARDLINK, link=name), None

    def _opener(self, first: str, entry: Entry) -> Opener:
        if _spelt(first) in self.now:
            return partial(_opened, self.spool, entry)
        return self.before.opener(entry._replace(path=first))


def _opened(spool: BinaryIO, entry: Entry) -> BinaryIO:
    return content_of(os.fdopen(os.dup(spool.fileno()), "rb"), entry)


class _Pieces(io.RawIOBase):
    """A stream of the pieces that a daemon sends."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            if (piece := next(self._pieces, None)) is None:
                return 0
            self._rest = piece
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def _is_hidden(path: str, hidden: frozenset[str]) -> bool:
    return path in hidden or any(above in hidden for above in ancestors(path))


def _made_for(hidden: frozenset[str], before: Tree) -> frozenset[str]:
    """The directories that the tree lacked, and that mounts stand in."""
    above = {above for path in hidden for above in ancestors(path) if above}
    return frozenset(path for path in above if before.find(path, follow=False) is None)


def _spelt(path: str) -> str:
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _kept(xattrs: Mapping[str, bytes]) -> Mapping[str, bytes]:
    return {name: value for name, value in sorted(xattrs.items()) if name.startswith(_KEPT_XATTRS)} or NO_XATTRS
