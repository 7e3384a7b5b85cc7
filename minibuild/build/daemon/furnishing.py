"""What a RUN has mounted in a daemon's container, brought there by the daemon's interface alone.

Directories are volumes: nothing of the tree shows through them, and nothing in them is of the layer. Files are put into
the container's own tree and left out of the layer by their paths, since a volume is never a file. What stands in /dev,
which is made when the container starts, is a volume too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from minibuild.build.resolving import Resolver
from minibuild.build.selecting import Selected
from minibuild.errors import UnavailableError
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.tree import Tree, ancestors
from minibuild.runtimes.base import Tmpfs
from minibuild.values import dataclass, field

FRESH = ("dev", "proc", "sys")
"""What a container makes anew."""


@dataclass(slots=True)
class Volume:
    """A directory of the container: a volume of that name, or where there is none, a fresh one with these files, whose
    paths are relative to it.
    """

    target: str
    files: Sequence[Change] = ()
    read_only: bool = True
    name: str = ""


@dataclass(slots=True)
class Furniture:
    """What a container is to have besides its image; paths are as they really are in the tree, without a leading /."""

    tree: Tree
    hosts: Sequence[tuple[str, str]] = ()
    resolver: Resolver = field(default_factory=Resolver)
    volumes: list[Volume] = field(default_factory=list)
    memory: list[Tmpfs] = field(default_factory=list)
    files: dict[str, Change] = field(default_factory=dict)
    directories: dict[str, Change] = field(default_factory=dict)

    def add_volume(self, target: str, files: Sequence[Change] = (), *, read_only: bool = True, name: str = "") -> None:
        """Mounts a directory."""
        self.volumes.append(Volume(self.tree.resolve(target), files, read_only, name))

    def add_memory(self, target: str, size: int) -> None:
        """Mounts an empty directory in memory."""
        self.memory.append(Tmpfs(self.tree.resolve(target), size))

    def add_file(self, target: str, change: Change) -> None:
        """Puts a file where it would be mounted."""
        path = self.tree.resolve(target)
        entry, opener = change
        self.files[path] = entry._replace(path=path, link="", kind=Kind.FILE), opener

    def add_directory(self, path: str, uid: int, gid: int, mtime: int) -> None:
        """Makes a directory of the tree, and those above it, unless it is there."""
        real = self.tree.resolve(path)
        for missing in (one for one in (real, *ancestors(real)) if self.tree.find(one) is None):
            self.directories[missing] = Entry(missing, Kind.DIRECTORY, 0o755, uid, gid, mtime=mtime), None

    def arrange(self) -> None:
        """Puts what stands in another mount into that; raises UnavailableError where it can't be."""
        for path in sorted(self.files):
            directory = path.rpartition("/")[0]
            if path.partition("/")[0] in FRESH and self._around(path) is None:
                if directory in FRESH:
                    raise UnavailableError(f"a file can't be mounted at /{path} in a docker daemon's container")
                self.volumes.append(Volume(directory))
            if (around := self._around(path)) is not None:
                self._put_into(around, path, self.files.pop(path))

    def targets(self) -> frozenset[str]:
        """The paths at and below which nothing is of the layer."""
        return frozenset([*self.files, *(one.target for one in self.volumes), *(one.target for one in self.memory)])

    def contents(self) -> Iterator[Change]:
        """What is to be put into the container's tree, sorted: the files, the places for mounts, and all directories
        above them as they are, since they would be younger else.
        """
        wanted = {**self.directories, **self.files}
        for one in self.memory:
            # The runtime gives what is mounted the mode of what it is mounted on.
            wanted[one.target] = Entry(one.target, Kind.DIRECTORY, 0o1777), None
        mounted = [one.target for one in self.volumes]
        for above in {above for path in (*wanted, *mounted) for above in ancestors(path)}:
            wanted.setdefault(above, (_directory(self.tree, above), None))
        yield from (wanted[path] for path in sorted(wanted, key=lambda path: path.split("/")) if self._is_own(path))

    def _is_own(self, path: str) -> bool:
        """It is neither the root, nor in what the container makes itself, nor in a volume."""
        in_volume = any(path == one.target or path.startswith(f"{one.target}/") for one in self.volumes)
        return bool(path) and path.partition("/")[0] not in FRESH and not in_volume

    def _around(self, path: str) -> Volume | None:
        """The innermost volume that a path is in."""
        around = [one for one in self.volumes if path.startswith(f"{one.target}/")]
        return max(around, key=lambda one: len(one.target), default=None)

    def _put_into(self, volume: Volume, path: str, change: Change) -> None:
        if volume.name:
            raise UnavailableError(
                f"a file can't be mounted at /{path}, in a cache, in a docker daemon's container",
                hint="mount it elsewhere",
            )
        within = path[len(volume.target) + 1 :]
        files = {entry.path: (entry, opener) for entry, opener in volume.files}
        files[within] = change[0]._replace(path=within), change[1]
        for above in ancestors(within):
            files.setdefault(above, (Entry(above, Kind.DIRECTORY, 0o755), None))
        volume.files = in_order(files.values())


def files_of(selected: Selected) -> list[Change]:
    """A directory that was selected, as files below one; further names of a file are links where its first is there."""
    files: list[Change] = [(selected.entry._replace(path=""), None)]
    placed = dict[str, str]()
    for entry in selected.below:
        path = selected.relative(entry)
        if entry.kind is Kind.HARDLINK and entry.link in placed:
            files.append((entry._replace(path=path, link=placed[entry.link]), None))
        elif entry.kind in (Kind.FILE, Kind.HARDLINK):
            placed[entry.link or entry.path] = path
            files.append((entry._replace(path=path, kind=Kind.FILE, link=""), selected.tree.opener(entry)))
        else:
            files.append((entry._replace(path=path), None))
    return in_order(files)


def in_order(files: Iterable[Change]) -> list[Change]:
    """Files as they can be packed: what a directory holds after it, links after what they name."""
    return sorted(files, key=lambda one: (one[0].kind is Kind.HARDLINK, one[0].path.split("/")))


def _directory(tree: Tree, path: str) -> Entry:
    found = tree.find(path)
    if found is None or found.kind is not Kind.DIRECTORY:
        return Entry(path, Kind.DIRECTORY, 0o755)
    return found
