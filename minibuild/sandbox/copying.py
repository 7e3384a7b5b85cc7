"""A copy of a tree, everything kept: owners, modes, times to the nanosecond, hard links, attributes, holes, devices."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

FileCopier: TypeAlias = Callable[[str, str, os.stat_result], None]
"""Makes a second path hold what a first one does, which is no directory."""

Stamp: TypeAlias = tuple[int, int]
"""(inode, time of change in ns): as long as it stays the same, so has the file."""

_FICLONE = 0x40049409
_CLOCK_REALTIME_COARSE = 5


def stamp(status: os.stat_result) -> Stamp:
    """The stamp of a file as lstat found it."""
    return status.st_ino, status.st_ctime_ns


def now() -> int:
    """The time, in ns, that a change made now leaves on a file: the kernel's clock for that ticks every 1 to 10 ms."""
    return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)


def later_than(moment: int) -> None:
    """Waits until changes get another time than they did at that moment: who compares times would overlook them."""
    while now() == moment:
        time.sleep(0.0005)


def copy_tree(source: str, target: str, copy_file: FileCopier) -> Mapping[str, Stamp]:
    """Copies what is in a directory, and its own metadata, into an existing one; answers the stamp of each path of the
    copy ("" the directory itself).
    """
    stamps: dict[str, Stamp] = {}
    names: dict[tuple[int, int], list[str]] = {}
    directories = [""]
    for directory in directories:
        for entry in _scanned(source + directory):
            path = f"{directory}/{entry.name}"
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                os.mkdir(target + path, 0o700)
                directories.append(path)
                continue
            if status.st_nlink > 1:
                known = names.setdefault((status.st_dev, status.st_ino), [])
                known.append(path)
                if len(known) > 1:
                    os.link(target + known[0], target + path, follow_symlinks=False)
                    continue
            copy_file(entry.path, target + path, status)
            stamps[path[1:]] = stamp(os.lstat(target + path))
    for directory in reversed(directories):
        copy_metadata(source + directory, target + directory, os.lstat(source + directory))
    linked = [path for known in names.values() for path in known]
    stamps.update((path[1:], stamp(os.lstat(target + path))) for path in directories + linked)
    return stamps


def _scanned(directory: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as entries:
        yield from entries


def share(source: str, target: str, _status: os.stat_result) -> None:
    """Makes it another name of the same file: for trees in which files are replaced, never written to."""
    os.link(source, target, follow_symlinks=False)


def copy_file(source: str, target: str, status: os.stat_result) -> None:
    """Makes a file of its own; where the filesystem can, the two share their blocks until one is written to."""
    if stat.S_ISREG(status.st_mode):
        _copy_regular(source, target, status)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source), target)
    else:
        os.mknod(target, status.st_mode, status.st_rdev)
    copy_metadata(source, target, status)


def copy_metadata(source: str, target: str, status: os.stat_result) -> None:
    """Gives a path the owner, mode, attributes and times of another."""
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    for name in _attributes(source):
        value = os.getxattr(source, name, follow_symlinks=False)
        try:
            os.setxattr(target, name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP):  # a label of this host's, or not for us to set
                raise
    if not stat.S_ISLNK(status.st_mode):  # and not before: a plain user can't set attributes of what is read-only
        os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def _attributes(path: str) -> list[str]:
    # Marks of overlay's say how directories are merged, and in a copy they no longer are.
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return []
    return [name for name in names if not name.startswith(("trusted.overlay.", "user.overlay."))]


def _copy_regular(source: str, target: str, status: os.stat_result) -> None:
    reader = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            if status.st_size and not _cloned(reader, writer):
                for start, end in _data(reader, status.st_size):
                    _copy_range(reader, writer, start, end)
                os.ftruncate(writer, status.st_size)
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _cloned(reader: int, writer: int) -> bool:
    import fcntl

    try:
        fcntl.ioctl(writer, _FICLONE, reader)
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS):
            return False
        raise
    return True


def _data(reader: int, size: int) -> Iterator[tuple[int, int]]:
    """The ranges of a file that aren't holes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(reader, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        end = os.lseek(reader, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(reader: int, writer: int, start: int, end: int) -> None:
    try:
        while start < end:
            copied = os.copy_file_range(reader, writer, end - start, start, start)
            if copied == 0:
                return
            start += copied
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        while start < end:
            block = os.pread(reader, min(1 << 20, end - start), start)
            if not block:
                return
            start += os.pwrite(writer, block, start)
