"""Performs COPY, ADD and WORKDIR on the layers' indices: files and directories become a layer's entries, nothing is
mounted.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

from minibuild.build.archives import Archive
from minibuild.build.selecting import Content, Selected
from minibuild.errors import ContextError
from minibuild.instructions.effects import CopyFiles, InlineFile
from minibuild.instructions.modes import SymbolicMode
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.tree import Tree, real_path
from minibuild.values import dataclass, field, replace

Owner = tuple[int, int]

INLINE_TIME_S = 315_619_200
"""2 January 1980, the time of here-documents: no zip can hold a file that is older."""


@dataclass
class Composition:
    """A layer in the making, on top of a tree.

    ``owner`` and ``mode`` override those of what is copied and of the directories made for it. A directory that has no
    model is as old as the one it is put in, and a here-document has a fixed time: were they dated by the clock, or by
    SOURCE_DATE_EPOCH, then what comes from the cache would be older than what is made anew, since no key may have
    either.
    """

    tree: Tree
    owner: Owner | None = None
    mode: int | SymbolicMode | None = None
    _changes: dict[str, Change] = field(default_factory=dict)
    _contents: dict[str, object] = field(default_factory=dict)
    _replaced: set[str] = field(default_factory=set)
    _fresh: set[str] = field(default_factory=set)

    def changes(self) -> list[Change]:
        """The layer's entries, parents before what stands in them, in the order of paths.

        Files that share their content in the source share it in the layer; the first of them carries it.
        """
        carriers: dict[object, str] = {}
        ordered: list[Change] = []
        for path in sorted(self._changes, key=lambda path: path.replace("/", "\0")):
            entry, opener = self._changes[path]
            shared = self._contents.get(path)
            carrier = path if shared is None or entry.kind is not Kind.FILE else carriers.setdefault(shared, path)
            if carrier != path:
                entry, opener = entry._replace(kind=Kind.HARDLINK, link=carrier, size=0, digest=""), None
            ordered.append((entry, opener))
        return ordered

    def make_directory(self, path: str) -> None:
        """Makes a directory and its missing parents; what exists stays as it is."""
        real = self.tree.resolve(path)
        if self._kind(real) is not Kind.DIRECTORY:
            self._refuse_non_directory(real)
            self._make_parents(real)
            self._make(real)

    def copy(self, effect: CopyFiles, selection: Sequence[Selected], archives: Sequence[Archive | None]) -> None:
        """Copies what was selected; ``archives`` has, place for place, what is to be unpacked instead."""
        for selected, archive in zip(selection, archives, strict=True):
            if archive is not None:
                self._unpack(archive, self.tree.resolve(effect.destination))
            elif selected.entry.kind is Kind.DIRECTORY:
                self._copy_directory(selected, self.tree.resolve(effect.destination))
            else:
                path = self._file_path(effect.destination, selected.name)
                self._put(selected, selected.entry, path)
        for file in effect.inline:
            self._write(file, self._file_path(effect.destination, file.path))

    def _file_path(self, destination: str, name: str) -> str:
        """Where a file goes: into a directory (one that exists, or is said to be one), else to the very path."""
        real = self.tree.resolve(destination)
        if destination.endswith("/") or self._kind(real) is Kind.DIRECTORY:
            # Only the destination is followed: a symlink of the file's own name in it is replaced.
            real = f"{real}/{name}" if real else name
        self._make_parents(real)
        if self._kind(real) is Kind.DIRECTORY:
            raise ContextError(f"/{real} is a directory in the image, so no file can be copied over it")
        return real

    def _copy_directory(self, selected: Selected, root: str) -> None:
        if self._kind(root) is not Kind.DIRECTORY:
            self._refuse_non_directory(root)
            self._make_parents(root)
            # What is copied is what it holds: the directory itself is like any other new one.
            self._make(root, selected.entry.mtime)
        else:
            self._keep(root)
        links = selected.links
        prefix, start = f"{root}/" if root else "", len(selected.entry.path) + 1 if selected.entry.path else 0
        for entry in selected.below:
            path = prefix + entry.path[start:]
            kind, there = entry.kind, self._find(path)
            if kind is Kind.DIRECTORY:
                self._refuse_non_directory(path)
                if there is None:
                    self._fresh.add(path)
                # As in BuildKit, one that is there for others' sake gives no more than its mode to one that exists.
                is_merged = there is not None and entry.path in selected.passed
                made = there._replace(mode=entry.mode) if there and is_merged else self._as_copied(entry, path)
                self._changes[path] = (made, None)
            elif there is not None and there.kind is Kind.DIRECTORY:
                raise ContextError(f"/{path} is a directory in the image, so no file can be copied over it")
            elif kind is Kind.FILE or kind is Kind.HARDLINK:
                self._put_file(selected.content(entry, links), path)
            else:
                self._changes[path] = (self._as_copied(entry, path), None)

    def _unpack(self, archive: Archive, root: str) -> None:
        """Puts each entry in place of what stands there, but for directories, which are merged.

        The owner is that of every entry, the mode that of none; parents that the archive doesn't name are root's.
        """
        unpacked, implied = replace(self, mode=None), replace(self, owner=None, mode=None)
        if self._kind(root) is not Kind.DIRECTORY:
            self._refuse_non_directory(root)
            unpacked._make_parents(root)
            unpacked._make(root)
        for entry in archive.entries:
            if not entry.path:
                continue
            path = self._place(root, entry)
            implied._make_parents(path)
            self._clear(path, entry.kind)
            if entry.kind in (Kind.FILE, Kind.HARDLINK):
                unpacked._put_file(archive.content(entry), path)
            else:
                self._changes[path] = (unpacked._as_copied(entry, path), None)

    def _place(self, root: str, entry: Entry) -> str:
        """Where an archive's entry goes: links to directories above it are followed, as in a chroot at the root."""
        below = f"{root}/" if root else ""
        parent = real_path(entry.parent, lambda path: self._link(below + path))
        return f"{below}{parent}/{entry.name}" if parent else below + entry.name

    def _clear(self, path: str, kind: Kind) -> None:
        """Makes way for what is of a kind: a directory merges with one, everything else replaces what is there."""
        there = self._kind(path)
        if there is Kind.DIRECTORY and kind is not Kind.DIRECTORY:
            for other in [other for other in self._changes if other.startswith(f"{path}/")]:
                del self._changes[other]
        elif there not in (None, Kind.DIRECTORY) and kind is Kind.DIRECTORY:
            self._replaced.add(path)

    def _write(self, file: InlineFile, path: str) -> None:
        content = file.content
        entry = Entry(path, Kind.FILE, mode=file.mode, size=len(content), mtime=INLINE_TIME_S)
        self._changes[path] = (self._as_copied(entry, path), lambda: io.BytesIO(content))
        self._contents.pop(path, None)

    def _put(self, selected: Selected, entry: Entry, path: str) -> None:
        if entry.kind in (Kind.FILE, Kind.HARDLINK):
            self._put_file(selected.content(entry), path)
        else:
            self._changes[path] = (self._as_copied(entry, path), None)

    def _put_file(self, content: Content, path: str) -> None:
        self._changes[path] = (self._as_copied(content.entry, path), content.opener)
        if content.identity is not None or path in self._contents:
            self._contents[path] = content.identity

    def _as_copied(self, entry: Entry, path: str) -> Entry:
        """The entry at a new path, with the owner and the mode that were asked for; a hard link as the file it is."""
        _, kind, mode, uid, gid, size, mtime, link, device, xattrs, digest, _ = entry
        if self.owner:
            uid, gid = self.owner
        if self.mode is not None:
            mode = self._mode(entry)
        if kind is Kind.HARDLINK:
            kind, link = Kind.FILE, ""
        return Entry(path, kind, mode, uid, gid, size, mtime, link, device, xattrs, digest)

    def _mode(self, entry: Entry) -> int:
        match self.mode:
            case _ if entry.kind is Kind.SYMLINK:
                return entry.mode
            case None:
                return entry.mode
            case int(mode):
                return mode
            case changes:
                return changes.applied_to(entry.mode, is_directory=entry.kind is Kind.DIRECTORY)

    def _make_parents(self, path: str) -> None:
        """A layer names every parent of what it changes: without that, loaders make them up with modes of their
        own.
        """
        at = path.find("/")
        while at != -1:
            parent = path[:at]
            if self._kind(parent) is Kind.DIRECTORY:
                self._keep(parent)
            else:
                self._refuse_non_directory(parent)
                self._make(parent)
            at = path.find("/", at + 1)

    def _make(self, path: str, mtime: int | None = None) -> None:
        if self._find(path) is None:
            self._fresh.add(path)
        age = self._age_of_parent(path) if mtime is None else mtime
        made = self._as_copied(Entry(path, Kind.DIRECTORY, mtime=age), path)
        # As in BuildKit, an octal mode is for directories made on the way too, changes to a mode are not.
        self._changes[path] = (made._replace(mode=self.mode if isinstance(self.mode, int) else 0o755), None)

    def _age_of_parent(self, path: str) -> int:
        """The time of the nearest directory above that has one."""
        while path:
            path = path.rpartition("/")[0]
            above = self._find(path)
            if above is not None:
                return above.mtime
        return 0

    def _keep(self, path: str) -> None:
        existing = self.tree.find(path, follow=False) if path and path not in self._changes else None
        if existing is not None:
            self._changes[path] = (existing, None)

    def _kind(self, path: str) -> Kind | None:
        if not path:
            return Kind.DIRECTORY
        entry = self._find(path)
        return None if entry is None else entry.kind

    def _link(self, path: str) -> str | None:
        entry = self._find(path)
        return entry.link if entry is not None and entry.kind is Kind.SYMLINK else None

    def _find(self, path: str) -> Entry | None:
        """What will stand at a real path once the layer is there. Nothing but this layer is in a fresh directory."""
        change = self._changes.get(path)
        if change is not None:
            return change[0]
        if path.rpartition("/")[0] in self._fresh:
            return None
        if any(path.startswith(f"{directory}/") for directory in self._replaced):
            return None
        return self.tree.find(path, follow=False)

    def _refuse_non_directory(self, path: str) -> None:
        if self._kind(path) not in (None, Kind.DIRECTORY):
            raise ContextError(
                f"/{path} is no directory in the image, so none can be made or copied there",
                hint="name another path, or remove it in a RUN before",
            )
