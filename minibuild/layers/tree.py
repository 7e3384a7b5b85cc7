"""Many layers read as one filesystem, without unpacking any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from minibuild.errors import ImageError
from minibuild.layers.entry import Entry, Kind, Opener
from minibuild.layers.index import Index
from minibuild.layers.slice import content_of
from minibuild.oci.image import Layer

MOST_SYMLINKS = 40
"""As many as Linux follows in one path."""

ROOT = Entry("", Kind.DIRECTORY, 0o755)
"""What the root is where no layer says anything of it."""


class Tree:
    """Layers on top of one another, oldest first, and what opens the uncompressed tar of each.

    Paths may be absolute or relative and hold ``..``; all of it, symlinks included, stays inside. The entries answered
    have real paths: no component is a symlink, but for the last where it isn't followed.
    """

    def __init__(self, layers: Sequence[tuple[Layer, Index]], open_tar: Callable[[Layer], BinaryIO]) -> None:
        self._layers = tuple(layer for layer, _ in layers)
        self._indices = tuple(index for _, index in layers)
        self._open_tar = open_tar

    def find(self, path: str, *, follow: bool = True) -> Entry | None:
        """What stands at a path, a hard link as the file it is; None where nothing does. ``follow`` says what to do
        with a symlink at the path's end; those on the way are always followed.
        """
        found = self._locate(self._real_path(path, follow=follow))
        return found[1] if found else None

    def describes(self, path: str) -> bool:
        """Some layer has an entry of that very path; else it is at most a directory that follows from what is in it,
        and nothing is known of its mode, owner and time.
        """
        return any(index.find(path) is not None for index in self._indices)

    def resolve(self, path: str) -> str:
        """The real path that a path leads to: every symlink followed, what doesn't exist appended as it is.

        Raises ImageError where symlinks go round in circles.
        """
        return self._real_path(path, follow=True)

    def children(self, path: str) -> list[Entry]:
        """What stands in a directory, by name, each as ``find`` answers it; nothing for what is no directory."""
        real = self.resolve(path)
        return [entry for _, entry, _ in self._below(real, self._holders(real))]

    def walk(self, path: str) -> Iterator[Entry]:
        """All that stands below a directory, each directory before what is in it, names sorted.

        Of the names of one file the first to come is a FILE, every later one a HARDLINK to it that says all that the
        first says, so that they can be packed as they come.
        """
        real = self.resolve(path)
        first_names: dict[tuple[int, int], str] = {}
        pending = [self._below(real, self._holders(real))]
        while pending:
            for number, entry, holders in pending[-1]:
                yield self._with_link(number, entry, first_names)
                if holders:
                    pending.append(self._below(entry.path, holders))
                    break
            else:
                pending.pop()

    def opener(self, entry: Entry) -> Opener:
        """Opens the content of a file that this tree answered. Each call opens the layer's tar anew."""
        found = self._locate(entry.path)
        if found is None or found[1].kind is not Kind.FILE:
            raise ImageError(f"{entry.path!r} is no file of the image")
        number, file = found

        def open_file() -> BinaryIO:
            return content_of(self._open_tar(self._layers[number]), file)

        return open_file

    def digest(self, entry: Entry) -> str:
        """The digest of the content of a file that this tree answered: the index has it."""
        return entry.digest

    def read(self, path: str, limit: int) -> bytes | None:
        """The content of the regular file that a path leads to; None where there is none.

        Raises ImageError for one of more bytes than the limit.
        """
        found = self._locate(self.resolve(path))
        if found is None or found[1].kind is not Kind.FILE:
            return None
        number, file = found
        if file.size > limit:
            raise ImageError(f"{file.path!r} in the image has {file.size} bytes, more than the {limit} it may have")
        text = self._indices[number].texts.get(file.path)
        if text is not None:
            return text
        with self.opener(file)() as content:
            return content.read()

    def _real_path(self, path: str, *, follow: bool) -> str:
        return real_path(path, self._link, follow=follow)

    def _link(self, path: str) -> str | None:
        found = self._locate(path)
        return found[1].link if found is not None and found[1].kind is Kind.SYMLINK else None

    def _locate(self, path: str) -> tuple[int, Entry] | None:
        """What stands at a real path, and the number of the layer it comes from: the newest layer that has it, unless
        one on top of that deletes it, or has something else than a directory above it.
        """
        above = ancestors(path)
        unsaid = None if path else (-1, ROOT)
        for number in range(len(self._indices) - 1, -1, -1):
            index = self._indices[number]
            entry = index.find(path)
            if entry is not None:
                return (number, entry) if unsaid is None or entry.kind is Kind.DIRECTORY else unsaid
            if unsaid is None and path in index.directories:
                unsaid = (number, Entry(path, Kind.DIRECTORY, 0o755))
            if path in index.whiteouts or any(hides(index, directory) for directory in above):
                break
        return unsaid

    def _holders(self, path: str) -> list[int]:
        """The layers, newest first, that add to what a directory at a real path shows, or take from it."""
        above = ancestors(path)
        holders = []
        for number in range(len(self._indices) - 1, -1, -1):
            index = self._indices[number]
            if path in index.directories or path in index.emptied:
                holders.append(number)
            elif index.find(path) is not None:
                break
            if path in index.whiteouts or path in index.opaques or any(hides(index, directory) for directory in above):
                break
        return holders

    def _below(self, path: str, holders: Sequence[int]) -> Iterator[tuple[int, Entry, list[int]]]:
        """What stands in a directory, by name: the layer it comes from, the entry, and its holders if it is a
        directory itself.
        """
        found: dict[str, list[int]] = {}
        shown: set[str] = set()
        settled: set[str] = set()
        for number in holders:
            index = self._indices[number]
            for name in index.emptied_children(path):
                if name not in settled:
                    found.setdefault(name, []).append(number)
            for name in index.children(path):
                if name in settled:
                    continue
                child = f"{path}/{name}" if path else name
                is_directory = child in index.directories
                if is_directory:
                    found.setdefault(name, []).append(number)
                elif name not in shown:
                    found[name] = [number]
                shown.add(name)
                if not is_directory or child in index.opaques:
                    settled.add(name)
            settled.update(index.deleted_children(path))
        for name in sorted(shown):
            numbers = found[name]
            number, entry = self._newest(f"{path}/{name}" if path else name, numbers)
            yield number, entry, numbers if entry.kind is Kind.DIRECTORY else []

    def _newest(self, path: str, numbers: Sequence[int]) -> tuple[int, Entry]:
        """The entry that the first of these layers which says something of a path has."""
        for number in numbers:
            if (entry := self._indices[number].find(path)) is not None:
                return number, entry
        return self._locate(path) or (-1, Entry(path, Kind.DIRECTORY, 0o755))

    def _with_link(self, number: int, entry: Entry, first_names: dict[tuple[int, int], str]) -> Entry:
        """A further name of a file that was walked past as the hard link it is."""
        if entry.kind is not Kind.FILE or entry.offset < 0:
            return entry
        first = first_names.setdefault((number, entry.offset), entry.path)
        return entry if first == entry.path else entry._replace(kind=Kind.HARDLINK, link=first)


def real_path(path: str, link_at: Callable[[str], str | None], *, follow: bool = True) -> str:
    """Where a path leads to inside a root: the symlinks of all its components are followed, the last one's only if
    asked to.

    ``link_at`` answers the target of the symlink at a real path, None where there is none. Raises ImageError where
    symlinks go round in circles.
    """
    pending = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    real = ""
    hops = 0
    while pending:
        part = pending.pop()
        if part == "..":
            real = real.rpartition("/")[0]
            continue
        here = f"{real}/{part}" if real else part
        target = link_at(here) if follow or pending else None
        if target is None:
            real = here
            continue
        hops += 1
        if hops > MOST_SYMLINKS:
            raise ImageError(f"{path!r} leads through more than {MOST_SYMLINKS} symbolic links in the image")
        if target.startswith("/"):
            real = ""
        pending += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    return real


def ancestors(path: str) -> list[str]:
    """The directories above a path, the root included, the nearest first."""
    above = []
    while path:
        path = path.rpartition("/")[0]
        above.append(path)
    return above


def hides(index: Index, directory: str) -> bool:
    """A layer has something about a directory that hides all that the layers below hold in it."""
    if directory in index.directories:
        return directory in index.opaques or directory in index.whiteouts
    return directory in index.whiteouts or index.find(directory) is not None
