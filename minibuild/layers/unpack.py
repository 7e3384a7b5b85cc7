"""A layer's tar → a directory, and never outside it; or just the index of what it holds."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from minibuild.errors import ImageError, UnavailableError
from minibuild.layers import names, owners, tar
from minibuild.layers.entry import Entry, Kind
from minibuild.layers.index import LARGEST_TEXT, TEXTS, Index, IndexBuilder
from minibuild.layers.overlay import showing, shown
from minibuild.layers.owners import Owner, Owners, Record
from minibuild.layers.rooted import Rooted

_CHUNK = 1 << 20
_HAS_XATTRS = hasattr(os, "setxattr")  # macOS has, its Python hasn't
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SECOND = 1_000_000_000
_T = TypeVar("_T")


class WhiteoutStyle(Enum):
    """What deletions become: done at once to the tree that is already there, or marks for the kernel's overlay in a
    directory of the layer's own (the attribute's namespace is ``user`` where the mount has ``userxattr``), or for
    fuse-overlayfs.
    """

    APPLY = ""
    OVERLAY_TRUSTED = "trusted.overlay.opaque"
    OVERLAY_USER = "user.overlay.opaque"
    OVERLAY_FUSE = "user.fuseoverlayfs.opaque"


def read_index(stream: BinaryIO) -> Index:
    """The index of an uncompressed tar, with the digests of all contents; reads it to its end, unpacks nothing."""
    table = IndexBuilder()
    for entry, content in tar.read_entries(stream):
        if entry.kind is not Kind.FILE:
            table.add(entry)
            continue
        digest = hashlib.sha256()
        data = content.read(_CHUNK)
        if len(data) == entry.size <= LARGEST_TEXT and entry.path in TEXTS:
            table.texts[entry.path] = data
        while data:
            digest.update(data)
            data = content.read(_CHUNK)
        table.add(entry._replace(digest=f"sha256:{digest.hexdigest()}"))
    return table.complete()


def unpack(
    stream: BinaryIO,
    root: Path,
    style: WhiteoutStyle = WhiteoutStyle.APPLY,
    *,
    below: Sequence[Path] | None = None,
    keeping: Owners = Owners.KERNEL,
) -> Index:
    """Unpacks an uncompressed tar, read to its end, into a directory that exists, and answers its index.

    ``below`` has the directories of the layers below, newest first, for the overlay styles: a directory that the tar
    has files in but doesn't describe is made like theirs, and only what they show is marked as deleted; None says that
    they aren't known, and all is marked. In the root's place no symlink is ever followed: one of a layer below gives
    way to a directory, as on an overlay; one of the tar itself is an error. As another user than root, owners stay that
    user's unless ``keeping`` has them recorded, devices are left out unless they are so too, and attributes of the
    ``trusted`` and ``security`` namespaces are. Raises ImageError, naming the entry; what was unpacked so far stays.
    """
    with Rooted(root) as rooted:
        unpacking = _Unpacking(rooted, style, below, keeping)
        for entry, content in tar.read_entries(stream):
            with _Naming(entry.path):
                unpacking.put(entry, content)
        unpacking.finish()
    return unpacking.table.complete()


class _Unpacking:
    """One layer on its way into a directory."""

    def __init__(self, root: Rooted, style: WhiteoutStyle, below: Sequence[Path] | None, keeping: Owners) -> None:
        self.table = IndexBuilder()
        self._root, self._style, self._below = root, style, below
        self._records = keeping is Owners.RECORD
        self._is_root = os.geteuid() == 0
        self._opaques: set[str] = set()
        self._whiteouts: set[str] = set()
        self._merged: set[str] = set()

    def put(self, entry: Entry, content: tar.Content) -> None:
        """Puts one entry in its place, and into the table."""
        names_itself = entry.kind is Kind.HARDLINK and entry.link == entry.path
        entry = self.table.add(entry)
        if names_itself:
            return
        match entry.kind:
            case Kind.FILE:
                self.table.add(entry._replace(digest=self._write(entry, content)))
            case Kind.DIRECTORY:
                self._make_directory(entry)
            case Kind.WHITEOUT:
                self._whiteouts.add(entry.path)
                self._delete(entry.path)
            case Kind.OPAQUE:
                self._opaques.add(entry.path)
                self._hide(entry.path)
            case Kind.HARDLINK:
                self._link(entry)
            case _:
                self._make(entry)

    def finish(self) -> None:
        """Gives directories what files being made in them would have changed again, the deepest first."""
        opaques: set[str] = set()
        if self._style is not WhiteoutStyle.APPLY:
            if "" in self._opaques:
                self._hide_names_below()
            self._mark_whiteouts()
            opaques = self._opaques | {path for path in self._whiteouts if path in self.table.directories}
        described = {path for path in self.table.directories if self.table.find(path)}
        times = dict(self._root.times)
        for path in sorted({*described, *self._root.made, *times, *opaques}, reverse=True):
            with _Naming(path):
                descriptor = self._root.find(path)
                if descriptor is None:
                    continue
                if path in opaques:
                    os.setxattr(descriptor, self._style.value, b"y")
                entry = self.table.find(path)
                if entry:
                    self._describe(descriptor, entry)
                elif path in self._root.made:
                    self._copy_from_below(descriptor, path)
                elif path in times:
                    os.utime(descriptor, ns=(times[path], times[path]))

    def _write(self, entry: Entry, content: tar.Content) -> str:
        """Makes a regular file; answers its content's digest."""
        digest = hashlib.sha256()
        target = self._replacing(entry.path, lambda parent, name: os.open(name, _NEW_FILE, 0o600, dir_fd=parent))
        try:
            data = content.read(_CHUNK)
            if len(data) == entry.size <= LARGEST_TEXT and entry.path in TEXTS:
                self.table.texts[entry.path] = data
            while data:
                digest.update(data)
                _write_all(target, data)
                data = content.read(_CHUNK)
            self._describe(target, entry)
        finally:
            os.close(target)
        return f"sha256:{digest.hexdigest()}"

    def _make_directory(self, entry: Entry) -> None:
        """Makes a directory, unless one is there already: its metadata come last."""
        parent, _, name = entry.path.rpartition("/")
        if entry.path:
            try:
                os.mkdir(names.encode(name), 0o700, dir_fd=self._root.make(parent))
            except FileExistsError:
                if self._root.find(entry.path) is not None:
                    self._merged.add(entry.path)
                self._root.make(entry.path)

    def _link(self, entry: Entry) -> None:
        """Gives a file that the tar has already one more name."""
        directory, _, target = entry.link.rpartition("/")
        source, old = os.dup(self._root.make(directory)), names.encode(target)
        try:
            self._replacing(
                entry.path,
                lambda parent, new: os.link(old, new, src_dir_fd=source, dst_dir_fd=parent, follow_symlinks=False),
            )
        finally:
            os.close(source)

    def _make(self, entry: Entry) -> None:
        """Makes a symlink, a device or a FIFO."""
        if self._records and entry.kind in (Kind.CHARACTER, Kind.BLOCK):
            self._stand_in(entry)
            return
        try:
            self._replacing(entry.path, lambda parent, name: self._make_node(entry, parent, name))
        except PermissionError:
            if entry.kind not in (Kind.CHARACTER, Kind.BLOCK):
                raise

    def _stand_in(self, entry: Entry) -> None:
        """Makes the file that stands for a device."""
        target = self._replacing(entry.path, lambda parent, name: os.open(name, _NEW_FILE, 0o600, dir_fd=parent))
        try:
            self._describe(target, entry)
        finally:
            os.close(target)

    def _make_node(self, entry: Entry, parent: int, name: bytes) -> None:
        match entry.kind:
            case Kind.SYMLINK:
                os.symlink(names.encode(entry.link), name, dir_fd=parent)
            case Kind.FIFO:
                os.mkfifo(name, 0o600, dir_fd=parent)
            case _:
                kind = stat.S_IFCHR if entry.kind is Kind.CHARACTER else stat.S_IFBLK
                os.mknod(name, kind | 0o600, os.makedev(*entry.device), dir_fd=parent)
        if self._is_root and not self._records:
            os.chown(name, entry.uid, entry.gid, dir_fd=parent, follow_symlinks=False)
        if entry.kind is not Kind.SYMLINK:
            os.chmod(name, entry.mode, dir_fd=parent)
        self._set_xattrs(b"/proc/self/fd/%d/%s" % (parent, name), entry.xattrs)
        mtime = entry.mtime * _SECOND
        accessed = owners.accessed(Owner(entry.uid, entry.gid)) if self._records else mtime
        os.utime(name, ns=(accessed, mtime), dir_fd=parent, follow_symlinks=False)

    def _delete(self, path: str) -> None:
        """Does what a whiteout says to the layers below; what the tar itself has at that path stays."""
        if self._style is not WhiteoutStyle.APPLY:
            return  # what overlay needs to be told is known when all has come
        if path in self.table.directories:
            self._root.prune(path, self._is_own)
        elif not self._is_own(path):
            self._root.remove(path)

    def _hide(self, path: str) -> None:
        """Does what an opaque directory says: it is there, and holds what the tar itself has in it."""
        self._root.make(path)
        if self._style is WhiteoutStyle.APPLY:
            self._root.prune(path, self._is_own)

    def _hide_names_below(self) -> None:
        """Hides all the layers below, name by name: overlay looks for no mark on a root."""
        for layer in self._below or ():
            with Rooted(layer) as root:
                self._whiteouts.update(name for name, _ in root.list(""))

    def _mark_whiteouts(self) -> None:
        """Makes the marks of what is deleted, and not made anew, and would show."""
        marks = {path for path in self._whiteouts if not self._is_own(path) and not self._is_hidden(path)}
        if self._below is not None:
            marks = shown(self._below, marks, self._style.value)
        kind = stat.S_IFCHR | 0o600
        for path in sorted(marks):
            with _Naming(path):
                self._replacing(path, lambda parent, name: os.mknod(name, kind, os.makedev(0, 0), dir_fd=parent))

    def _is_own(self, path: str) -> bool:
        return path in self.table.directories or self.table.find(path) is not None

    def _is_hidden(self, path: str) -> bool:
        """Nothing of the layers below can show at a path, since the tar hides a directory above it, or has none."""
        while path := path.rpartition("/")[0]:
            if path in self._opaques or path in self._whiteouts:
                return True
            if path not in self.table.directories and self.table.find(path):
                return True
        return False

    def _replacing(self, path: str, create: Callable[[int, bytes], _T]) -> _T:
        """What ``create`` answers, given the directory and the name, after whatever stands in its way is removed."""
        parent, _, name = path.rpartition("/")
        try:
            return create(self._root.make(parent), names.encode(name))
        except FileExistsError:
            self._root.remove(path)
            return create(self._root.make(parent), names.encode(name))

    def _describe(self, target: int, entry: Entry) -> None:
        """Gives an open file or directory its owner, attributes, mode and time, in the order in which none undoes or
        forbids another: a change of owner clears setuid bits and capabilities, and a plain user can't set attributes
        of what that user can't write to.
        """
        if self._is_root and not self._records:
            os.chown(target, entry.uid, entry.gid)
        if entry.path in self._merged and _HAS_XATTRS:
            for name in set(os.listxattr(target)) - {*entry.xattrs, self._style.value}:
                with suppress(OSError):
                    os.removexattr(target, name)
        self._set_xattrs(target, entry.xattrs)
        if self._records:
            owners.record(target, Record.of(entry.uid, entry.gid, entry.kind, entry.device))
            owners.chmod(target, entry.mode)
        else:
            os.chmod(target, entry.mode)
        os.utime(target, ns=(entry.mtime * _SECOND,) * 2)

    def _copy_from_below(self, target: int, path: str) -> None:
        """Describes a directory that the tar doesn't as the layers below have it, if they show it still."""
        os.chmod(target, 0o755)
        if self._records:
            owners.record(target, Record(Owner()))
        if path in self._whiteouts or self._is_hidden(path):
            return
        layer = showing(self._below or (), path, self._style.value)
        if layer is None:
            return
        with Rooted(layer) as root:
            source = root.find(path)
            if source is None:
                return
            status = owners.seen(source, os.fstat(source)) if self._records else os.fstat(source)
            xattrs = {name: os.getxattr(source, name) for name in os.listxattr(source) if ".overlay." not in name}
        mode, mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns // _SECOND
        entry = Entry(path, Kind.DIRECTORY, mode, status.st_uid, status.st_gid, mtime=mtime, xattrs=xattrs)
        self._describe(target, entry)

    def _set_xattrs(self, target: int | bytes, xattrs: Mapping[str, bytes]) -> None:
        """Sets what can be set here. A capability that root can't set is an error: a program would fail without."""
        for name, value in xattrs.items() if _HAS_XATTRS else ():
            try:
                os.setxattr(target, names.encode(name), value, follow_symlinks=isinstance(target, int))
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOTSUP) or (
                    self._is_root and name == "security.capability"
                ):
                    raise


class _Naming:
    """Turns an error of the system into one that names the entry."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):
            return
        said = (error.strerror or str(error)).lower()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UnavailableError(
                f"{self._path!r} of a layer can't be unpacked: {said}",
                hint="make room for the store, or move it with --root",
            ) from error
        hint = "if it is its owner: give this user more ids in /etc/subuid and /etc/subgid"
        raise ImageError(
            f"{self._path!r} of a layer can't be unpacked: {said}", hint=hint if error.errno == errno.EINVAL else ""
        ) from error


def _write_all(target: int, data: bytes) -> None:
    written = os.write(target, data)
    while written < len(data):
        written += os.write(target, memoryview(data)[written:])
