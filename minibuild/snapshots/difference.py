"""What every snapshotter must agree on: when a file counts as changed, and how what is on disk becomes an entry.

A difference is a function of two trees alone, the one before and the one after: a path is in it if it is new, or if
kind, mode, owner, size, time, content or extended attributes differ; a directory also if something below it is in it;
a name of a file with several names also if another of them is. What vanished from a directory that is still there is
a whiteout. So all snapshotters give the same layer for the same changes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import BinaryIO, Generic, NamedTuple, TypeVar

from minibuild.errors import ImageError
from minibuild.layers import owners
from minibuild.layers.entry import NO_XATTRS, Change, Entry, Kind
from minibuild.layers.names import check_unmarked

_KINDS: Mapping[int, Kind] = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
}
_KEPT_PREFIXES = ("user.", "trusted.", "system.posix_acl_")
_CAPABILITY = "security.capability"
# Fuse-overlayfs's, which nobody can set where these mean something, and ours.
_MARKS = ("user.fuseoverlayfs.", owners.ATTRIBUTE)

D = TypeVar("D")


class Found(NamedTuple):
    """Something on disk: its path in the tree, the path by which we reach it, what lstat said of it (None: it is not
    there any more, a whiteout).
    """

    path: str
    outside: str
    status: os.stat_result | None


def is_whiteout_device(status: os.stat_result) -> bool:
    """A character device 0:0, by which overlay marks what was deleted."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def attributes(outside: str, overlay_prefix: str = "") -> Mapping[str, bytes]:
    """The extended attributes of a file that belong into a layer: no labels of this host's, no marks of overlay's.

    ``overlay_prefix`` is where overlay keeps its marks (``trusted.overlay.``): what a program put there itself stands
    one level below.
    """
    try:
        names = os.listxattr(outside, follow_symlinks=False)
    except (OSError, AttributeError):  # macOS has some, but its Python hasn't
        return NO_XATTRS
    kept = {}
    for name in sorted(names):
        if name == _CAPABILITY:
            kept[name] = _capability(os.getxattr(outside, name, follow_symlinks=False))
        elif name.startswith(_KEPT_PREFIXES) and not name.startswith(_MARKS):
            shown = name
            if overlay_prefix and name.startswith(overlay_prefix):
                if not name.startswith(overlay_prefix + "overlay."):
                    continue
                shown = overlay_prefix + name.removeprefix(overlay_prefix + "overlay.")
            kept[shown] = os.getxattr(outside, name, follow_symlinks=False)
    return kept or NO_XATTRS


def _capability(value: bytes) -> bytes:
    # Version 3 ends with the user namespace's root id, which means nothing elsewhere: back to version 2.
    if len(value) == 24 and value[3] == 3:
        return value[:3] + b"\x02" + value[4:20]
    return value


def _same_status(before: os.stat_result, after: os.stat_result) -> bool:
    """Neither kind, mode, owner, size, device nor time differ; a directory's size says nothing."""
    return (
        before.st_mode == after.st_mode
        and before.st_uid == after.st_uid
        and before.st_gid == after.st_gid
        and before.st_mtime_ns == after.st_mtime_ns
        and before.st_rdev == after.st_rdev
        and (before.st_size == after.st_size or stat.S_ISDIR(after.st_mode))
    )


def _same_content(before: str, after: str, mode: int) -> bool:
    """Two files of one kind and size hold the same bytes, two links the same target."""
    if stat.S_ISLNK(mode):
        return os.readlink(before) == os.readlink(after)
    if not stat.S_ISREG(mode):
        return True
    with open(before, "rb") as one, open(after, "rb") as other:
        while block := one.read(1 << 18):
            if block != other.read(1 << 18):
                return False
        return not other.read(1)


class Item(NamedTuple, Generic[D]):
    """Something found in a directory, whether it differs, and what it is walked by if it is a directory itself."""

    found: Found
    differs: bool
    directory: D | None = None


def walk(top: D, items: Callable[[D], list[Item[D]]]) -> Iterator[tuple[Found, bool]]:
    """All that is found from a directory on, in the order of paths: (something, it differs)."""
    stack = [iter(items(top))]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
            continue
        yield item.found, item.differs
        if item.directory is not None:
            stack.append(iter(items(item.directory)))


def root_differs(before: str, after: str, overlay_prefix: str = "") -> bool:
    """Mode, owner or attributes of the root differ; that its time does says only that something in it does."""
    one, other = owners.lstat(before), owners.lstat(after)
    return (one.st_mode, one.st_uid, one.st_gid) != (other.st_mode, other.st_uid, other.st_gid) or (
        attributes(before, overlay_prefix) != attributes(after, overlay_prefix)
    )


def differs(before: str, found: Found, overlay_prefix: str = "") -> bool:
    """What was found isn't what was there before, at that path of ours."""
    if found.status is None:
        return True
    status, earlier = owners.seen(found.outside, found.status), owners.lstat(before)
    return not (
        _same_status(earlier, status)
        and attributes(before, overlay_prefix) == attributes(found.outside, overlay_prefix)
        and _same_content(before, found.outside, status.st_mode)
    )


def selected(candidates: Iterable[tuple[Found, bool]]) -> list[Found]:
    """Out of (something, it differs) in the order of a walk, parents first: all that belongs into the difference."""
    everything = list(candidates)
    shared = {_inode(found) for found, changed in everything if changed and _has_names(found)}
    needed: set[str] = set()
    chosen = []
    for found, changed in reversed(everything):
        if changed or found.path in needed or (_has_names(found) and _inode(found) in shared):
            chosen.append(found)
            needed.add(found.path.rpartition("/")[0] or "/")  # never "": nothing makes the root part of it
    return chosen[::-1]


def _inode(found: Found) -> tuple[int, int] | None:
    return (found.status.st_dev, found.status.st_ino) if found.status else None


def _has_names(found: Found) -> bool:
    return found.status is not None and found.status.st_nlink > 1 and not stat.S_ISDIR(found.status.st_mode)


def changes_of(found: list[Found], attributes_of: Callable[[str], Mapping[str, bytes]]) -> Iterator[Change]:
    """The entries of what was found to differ, in that order; the first name of a file is the file, further ones are
    hard links to it. Sockets are left out, as no layer can hold them.

    Raises ImageError for a name that no layer can hold.
    """
    first: dict[tuple[int, int], str] = {}
    for path, outside, status in found:
        check_unmarked(path)
        if status is None:
            yield Entry(path, Kind.WHITEOUT), None
            continue
        status = owners.seen(outside, status)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            continue
        if is_whiteout_device(status):
            raise ImageError(f"{path} is a device 0:0, which an image layer can't hold", hint="don't create it")
        if kind is not Kind.DIRECTORY and status.st_nlink > 1:
            name = first.setdefault((status.st_dev, status.st_ino), path)
            if name != path:
                yield _entry(path, Kind.HARDLINK, status)._replace(link=name), None
                continue
        entry = _entry(path, kind, status)._replace(xattrs=attributes_of(outside))
        if kind is Kind.FILE:
            yield entry._replace(size=status.st_size), partial(_open, outside)
        elif kind is Kind.SYMLINK:
            yield entry._replace(link=os.readlink(outside)), None
        elif kind in (Kind.CHARACTER, Kind.BLOCK):
            yield entry._replace(device=(os.major(status.st_rdev), os.minor(status.st_rdev))), None
        else:
            yield entry, None


def _open(path: str) -> BinaryIO:
    return open(path, "rb")


def _entry(path: str, kind: Kind, status: os.stat_result) -> Entry:
    mode, seconds = stat.S_IMODE(status.st_mode), status.st_mtime_ns // 1_000_000_000
    return Entry(path, kind, mode, status.st_uid, status.st_gid, mtime=seconds)
