"""Performs COPY, ADD and WORKDIR on the layers' indices: files and directories become a layer's entries, nothing is
mounted.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from minibuild.build.archives import Archive
from minibuild.build.selecting import Content, Selected
from minibuild.errors import ContextError
from minibuild.instructions.effects import CopyFiles, InlineFile
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.tree import Tree

Owner = tuple[int, int]


@dataclass
class Composition:
    """A layer in the making, on top of a tree.

    ``owner`` and ``mode`` override those of what is copied and of the directories made for it; ``now`` is the time,
    in seconds since the epoch, of directories that have no model.
    """

    tree: Tree
    now: int
    owner: Owner | None = None
    mode: int | None = None
    _changes: dict[str, Change] = field(default_factory=dict)
    _contents: dict[str, object] = field(default_factory=dict)

    def changes(self) -> list[Change]:
        """The layer's entries, parents before what stands in them, in the order of paths.

        Files that share their content in the source share it in the layer; the first of them carries it.
        """
        carriers: dict[object, str] = {}
        ordered: list[Change] = []
        for path in sorted(self._changes, key=lambda path: path.split("/")):
            entry, opener = self._changes[path]
            carrier = carriers.setdefault(self._contents.get(path, path), path) if entry.kind is Kind.FILE else path
            if carrier != path:
                entry, opener = entry._replace(kind=Kind.HARDLINK, link=carrier, size=0, digest=""), None
            ordered.append((entry, opener))
        return ordered

    def make_directory(self, path: str) -> None:
        """Makes a directory and its missing parents; what exists stays as it is."""
        real = self.tree.resolve(path)
        if self._kind(real) is not Kind.DIRECTORY:
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
            real = self.tree.resolve(f"{real}/{name}")
        self._make_parents(real)
        if self._kind(real) is Kind.DIRECTORY:
            raise ContextError(f"/{real} is a directory in the image, so no file can be copied over it")
        return real

    def _copy_directory(self, selected: Selected, root: str) -> None:
        if self._kind(root) is not Kind.DIRECTORY:
            self._refuse_non_directory(root)
            self._make_parents(root)
            self._changes[root] = (self._as_copied(selected.entry, root), None)
        else:
            self._keep(root)
        for entry in selected.below:
            path = f"{root}/{selected.relative(entry)}" if root else selected.relative(entry)
            if entry.kind is Kind.DIRECTORY:
                self._refuse_non_directory(path)
                self._changes[path] = (self._as_copied(entry, path), None)
            else:
                if self._kind(path) is Kind.DIRECTORY:
                    raise ContextError(f"/{path} is a directory in the image, so no file can be copied over it")
                self._put(selected, entry, path)

    def _unpack(self, archive: Archive, root: str) -> None:
        if self._kind(root) is not Kind.DIRECTORY:
            self._refuse_non_directory(root)
            self._make_parents(root)
            self._make(root)
        for entry in archive.entries:
            parent = self.tree.resolve(f"{root}/{entry.parent}")
            path = f"{parent}/{entry.name}" if parent else entry.name
            if not entry.path:
                continue
            self._make_parents(path)
            if entry.kind in (Kind.FILE, Kind.HARDLINK):
                self._put_file(archive.content(entry), path)
            else:
                self._changes[path] = (self._as_copied(entry, path), None)

    def _write(self, file: InlineFile, path: str) -> None:
        content = file.content
        entry = Entry(path, Kind.FILE, mode=file.mode, size=len(content), mtime=self.now)
        self._changes[path] = (self._owned(entry), lambda: io.BytesIO(content))

    def _put(self, selected: Selected, entry: Entry, path: str) -> None:
        if entry.kind in (Kind.FILE, Kind.HARDLINK):
            self._put_file(selected.content(entry), path)
        else:
            self._changes[path] = (self._as_copied(entry, path), None)

    def _put_file(self, content: Content, path: str) -> None:
        self._changes[path] = (self._as_copied(content.entry, path), content.opener)
        self._contents[path] = content.identity

    def _as_copied(self, entry: Entry, path: str) -> Entry:
        return self._owned(entry._replace(path=path, offset=-1))

    def _owned(self, entry: Entry) -> Entry:
        uid, gid = self.owner or (entry.uid, entry.gid)
        mode = entry.mode if self.mode is None or entry.kind is Kind.SYMLINK else self.mode
        return entry._replace(uid=uid, gid=gid, mode=mode)

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

    def _make(self, path: str) -> None:
        self._changes[path] = (self._owned(Entry(path, Kind.DIRECTORY, mode=0o755, mtime=self.now)), None)

    def _keep(self, path: str) -> None:
        existing = self.tree.find(path, follow=False) if path and path not in self._changes else None
        if existing is not None:
            self._changes[path] = (existing, None)

    def _kind(self, path: str) -> Kind | None:
        if path in self._changes:
            return self._changes[path][0].kind
        if not path:
            return Kind.DIRECTORY
        entry = self.tree.find(path, follow=False)
        return None if entry is None else entry.kind

    def _refuse_non_directory(self, path: str) -> None:
        if self._kind(path) not in (None, Kind.DIRECTORY):
            raise ContextError(
                f"/{path} is no directory in the image, so no directory can be copied to it",
                hint="copy to another path, or remove it in a RUN before",
            )
