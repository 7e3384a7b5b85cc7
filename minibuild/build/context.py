"""The build context: a directory seen through its ignore file."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, cast

from minibuild.build.absence import near
from minibuild.build.ignore import NOTHING_IGNORED, IgnoreFile
from minibuild.errors import ContextError, Finding
from minibuild.layers.entry import NO_DEVICE, NO_XATTRS, Entry, Kind, Opener
from minibuild.values import dataclass, field

_MOST_LINKS = 40
_HAS_XATTRS = hasattr(os, "listxattr")
_BLOCK = 1 << 20
_SMALL, _MOST_KEPT = 64 << 10, 32 << 20
# Not to hang on what became a FIFO since it was listed.
_READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.DIRECTORY, stat.S_IFLNK: Kind.SYMLINK}
_ROOT = (0, 0)


def _nothing(_finding: Finding) -> None:
    pass


@dataclass
class DirectoryContext:
    """A directory as a tree of files: what the ignore file leaves out isn't there, and all is root's but what
    ``owners`` has, by paths.

    ``report`` is told of what can't be copied (sockets, FIFOs, devices), which isn't there either. ``emptiness``
    says why it holds nothing at all, where it is to hold nothing.
    """

    root: Path
    ignore: IgnoreFile = NOTHING_IGNORED
    report: Callable[[Finding], None] = _nothing
    emptiness: str = ""
    owners: Mapping[str, tuple[int, int]] = field(default_factory=dict, repr=False)
    _first_links: dict[tuple[int, int], str] = field(default_factory=dict)
    _prefix: str = field(init=False, repr=False)
    _digests: dict[str, str] = field(default_factory=dict, repr=False)
    _kept: dict[str, bytes] = field(default_factory=dict, repr=False)
    _room: int = _MOST_KEPT

    def __post_init__(self) -> None:
        self._prefix = os.path.join(self.root, "")

    def find(self, path: str, *, follow: bool = True) -> Entry | None:
        """What stands at a path, symlinks resolved inside the context; None also for what is ignored."""
        real = self._resolve(path, follow)
        return None if real is None else self._entry(real)

    def children(self, path: str) -> list[Entry]:
        """What stands in a directory, by name."""
        real = self._resolve(path, follow=True)
        names = [] if real is None else _names(self._at(real))
        entries = (self._entry(f"{real}/{name}" if real else name) for name in names)
        return [entry for entry in entries if entry is not None]

    def walk(self, path: str) -> Iterator[Entry]:
        """Everything below a directory, in the order of paths."""
        prefix, ignores = f"{path}/" if path else "", bool(self.ignore.rules)
        for item in _items(self._at(path)):
            below = prefix + item.name
            if ignores and not self._is_visible(below):
                continue
            try:
                status = item.stat(follow_symlinks=False)
            except OSError as error:
                _refuse_unless_gone(below, error)
                continue
            entry = self._described(below, status)
            if entry is not None:
                yield entry
                if entry.kind is Kind.DIRECTORY:
                    yield from self.walk(below)

    def survey(self, path: str = "") -> Iterator[tuple[str, Entry | None]]:
        """Every path below a directory, in order; None for one that isn't there, with all that is below it."""
        for name in _names(self._at(path)):
            below = f"{path}/{name}" if path else name
            entry = self._entry(below)
            yield below, entry
            if entry is not None and entry.kind is Kind.DIRECTORY:
                yield from self.survey(below)

    def opener(self, entry: Entry) -> Opener:
        """What opens a regular file's content; it raises ContextError where the file can't be read any more, or holds
        something else than it did when its digest was asked for.
        """
        return _ContextOpener(self, entry)

    def open(self, entry: Entry) -> BinaryIO:
        """A regular file's content."""
        kept = self._kept.pop(entry.path, None)
        if kept is not None:
            self._room += len(kept)
            return io.BytesIO(kept)
        if entry.size <= _SMALL:
            return io.BytesIO(_read(self._at(entry.path), entry))
        return _open(self._at(entry.path), entry.path)

    def learn(self, entry: Entry, digest: str) -> None:
        """Takes from who read a file what its digest is, so that it isn't read once more; raises ContextError where
        it was another one before.
        """
        if self._digests.setdefault(entry.link or entry.path, digest) != digest:
            raise ContextError(f"{entry.path} changed during the build", hint="build again when nothing writes to it")

    def digest(self, entry: Entry) -> str:
        """The digest of a regular file's content, taken once. What a small file held is kept for who opens it next: a
        file is read once, and what is copied is what was digested.
        """
        file = entry.link or entry.path
        digest = self._digests.get(file)
        if digest is None:
            digest = self._digests[file] = self._digested(entry)
        return digest

    def _digested(self, entry: Entry) -> str:
        if entry.size <= _SMALL:
            content = _read(self._at(entry.path), entry)
            if len(content) <= self._room:
                self._room -= len(content)
                self._kept[entry.path] = content
            return "sha256:" + hashlib.sha256(content).hexdigest()
        sha256 = hashlib.sha256()
        with _open(self._at(entry.path), entry.path) as file:
            while block := file.read(_BLOCK):
                sha256.update(block)
        return "sha256:" + sha256.hexdigest()

    def explain_absence(self, path: str) -> str:
        """A hint on why a path isn't there: ignored by which line, leading where, or what is there that is called
        alike.
        """
        if self.emptiness:
            return self.emptiness
        above, _, name = path.rpartition("/")
        parent = self._resolve(above, follow=True)
        if parent is None or not os.path.isdir(self._at(parent)):
            return self.explain_absence(above) if above else ""
        if not self._is_visible(parent):
            return self._explain_presence(parent)
        if os.path.lexists(self._at(f"{parent}/{name}" if parent else name)):
            return self._explain_presence(f"{parent}/{name}" if parent else name)
        return near(above, name, [entry.name for entry in self.children(parent)])

    def _explain_presence(self, path: str) -> str:
        """Why what stands at a path can't be copied."""
        line = self.ignore.deciding_line(path)
        if line is not None and not self._is_visible(path):
            source = self.ignore.source
            return f"{source.name} line {line} ({source.line(line).strip()}) leaves it out"
        if os.path.islink(self._at(path)):
            return f"it is a symlink to {os.readlink(self._at(path))!r}, which leads to nothing in the context"
        return ""

    def _at(self, path: str) -> str:
        # Text, not Path: a context may have 50,000 files, and a Path takes ten times as long to make.
        return f"{self._prefix}{path}"

    def _resolve(self, path: str, follow: bool) -> str | None:
        """The real path of what a path means, relative to the root; None where there is nothing."""
        todo, done, links = path.split("/")[::-1], "", 0
        while todo:
            name = todo.pop()
            if name in ("", "."):
                continue
            if name == "..":
                done = done.rpartition("/")[0]
                continue
            here = f"{done}/{name}" if done else name
            try:
                target = os.readlink(self._at(here)) if todo or follow else None
            except OSError:
                target = None
            if target is None:
                done = here
                continue
            links += 1
            if links > _MOST_LINKS or not self._is_visible(here):
                return None
            done = "" if target.startswith("/") else done
            todo += target.split("/")[::-1]
        return done

    def _entry(self, path: str) -> Entry | None:
        """What stands at a real path; None where nothing does that may be copied."""
        if not self._is_visible(path):
            return None
        try:
            status = os.lstat(self._at(path))
        except OSError as error:
            _refuse_unless_gone(path, error)
            return None
        return self._described(path, status)

    def _described(self, path: str, status: os.stat_result) -> Entry | None:
        """The entry of what has this status; None where it can't be copied, which is reported."""
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            self.report(
                Finding("SpecialFileInContext", f"{path} is no regular file, directory or symlink and is left out")
            )
            return None
        # By position: a context may have 50,000 files, and names take twice as long.
        seconds = status.st_mtime_ns // 1_000_000_000
        uid, gid = self.owners.get(path, _ROOT)
        if kind is Kind.SYMLINK:
            return Entry(path, kind, 0o777, uid, gid, 0, seconds, os.readlink(self._at(path)))
        mode, xattrs = status.st_mode & 0o7777, _xattrs(self._at(path))
        if kind is Kind.DIRECTORY:
            return Entry(path, kind, mode, uid, gid, 0, seconds, "", NO_DEVICE, xattrs)
        first = path if status.st_nlink == 1 else self._first_links.setdefault((status.st_dev, status.st_ino), path)
        if first != path:
            return Entry(path, Kind.HARDLINK, mode, uid, gid, status.st_size, seconds, first, NO_DEVICE, xattrs)
        return Entry(path, kind, mode, uid, gid, status.st_size, seconds, "", NO_DEVICE, xattrs)

    def _is_visible(self, path: str) -> bool:
        if not path or not self.ignore.excludes(path):
            return True
        # A directory that is left out is still there when a later "!" brings back something below it.
        if not self.ignore.may_descend(path) or not os.path.isdir(self._at(path)) or os.path.islink(self._at(path)):
            return False
        return any(self._is_visible(f"{path}/{name}") for name in _names(self._at(path)))


@dataclass(frozen=True, slots=True)
class _ContextOpener:
    context: DirectoryContext
    entry: Entry

    def __call__(self) -> BinaryIO:
        return self.context.open(self.entry)

    def digested(self, digest: str) -> None:
        self.context.learn(self.entry, digest)


def _items(directory: str) -> list[os.DirEntry[str]]:
    """What stands in a directory, by name, without asking for each by itself."""
    try:
        with os.scandir(directory) as items:
            return sorted(items, key=attrgetter("name"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ContextError(
            f"{directory} can't be listed: {(error.strerror or str(error)).lower()}",
            hint="make it readable, or leave it out by a line in .dockerignore",
        ) from error


def _names(directory: str) -> list[str]:
    return [item.name for item in _items(directory)]


def _refuse_unless_gone(path: str, error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise ContextError(f"{path} can't be read: {(error.strerror or str(error)).lower()}") from error


def _open(path: str, name: str) -> BinaryIO:
    try:
        return cast(BinaryIO, io.FileIO(os.open(path, _READING)))
    except OSError as error:
        raise _unreadable(name, error) from error


def _read(path: str, entry: Entry) -> bytes:
    """A small file's content, and one byte more if it has grown: three calls, where a file object takes twice as
    long.
    """
    try:
        descriptor = os.open(path, _READING)
        try:
            return os.read(descriptor, entry.size + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(entry.path, error) from error


def _unreadable(name: str, error: OSError) -> ContextError:
    return ContextError(
        f"{name} can't be read: {(error.strerror or str(error)).lower()}",
        hint="make it readable, or leave it out by a line in .dockerignore",
    )


def _xattrs(path: str) -> Mapping[str, bytes]:
    if not _HAS_XATTRS:
        return NO_XATTRS
    try:
        names = os.listxattr(path)
        return {name: os.getxattr(path, name) for name in names if _travels(name)} if names else NO_XATTRS
    except OSError:
        return NO_XATTRS


def _travels(name: str) -> bool:
    return name == "security.capability" or (name.startswith("user.") and not name.startswith("user.overlay."))
