"""Whose a file is in its image, kept beside what the kernel says: for who may give files to nobody.

A regular file or directory has it in an extended attribute, so that it goes wherever the file goes: renamed, linked,
copied up by overlay. What can hold no ``user.`` attributes, a symlink or a FIFO, has it in its time of last access: a
second after ``_BEGINNING`` for each uid, a nanosecond for each gid. Kernels leave such a time alone, since it is later
than any other (relatime, noatime). A device is an empty file that says which one it stands for.

What says nothing is new: it belongs to who made it, which ``settle`` writes down once that is done.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cache
from typing import NamedTuple

from minibuild.layers.entry import Kind

ATTRIBUTE = "user.minibuild.owner"
_MODE = f"{ATTRIBUTE}.mode"  # of what would be closed to us
_BEGINNING = 1 << 32  # in 2106: later than all that is dated now, and early enough for ext4, which ends in 2446
_SECOND = 1_000_000_000
_DEVICES = {"c": stat.S_IFCHR, "b": stat.S_IFBLK}


class Owners(Enum):
    """How a tree keeps whose its files are."""

    KERNEL = "by the filesystem, as far as it lets us"
    RECORD = "recorded beside"


class Owner(NamedTuple):
    """A user and a group, as numbers."""

    uid: int = 0
    gid: int = 0


ROOT = Owner()


class Record(NamedTuple):
    """What is kept of a file; ``device`` is what kind of device (``S_IF…``) it stands for, 0 for none."""

    owner: Owner
    device: int = 0
    number: int = 0

    @classmethod
    def of(cls, uid: int, gid: int, kind: Kind, device: tuple[int, int]) -> Record:
        """What an entry says."""
        types = {Kind.CHARACTER: stat.S_IFCHR, Kind.BLOCK: stat.S_IFBLK}
        return cls(Owner(uid, gid), types.get(kind, 0), os.makedev(*device) if kind in types else 0)


@cache
def here() -> Owners:
    """How trees keep them that this process makes: recorded where it is no root, or root of a single id."""
    if os.geteuid() == 0 and _ids("uid") > 1 and _ids("gid") > 1:
        return Owners.KERNEL
    return Owners.RECORD


def _ids(kind: str) -> int:
    try:
        with open(f"/proc/self/{kind}_map") as table:
            return sum(int(line.split()[2]) for line in table)
    except FileNotFoundError:
        return 2  # a system without user namespaces


def chown(path: str | os.PathLike[str], owner: Owner) -> None:
    """Gives a file, a link itself, to somebody, the way it is done here."""
    if here() is Owners.KERNEL:
        os.chown(path, *owner, follow_symlinks=False)
    else:
        record(os.fspath(path), Record(owner))


def lend(path: str | os.PathLike[str] | int, owner: Owner) -> None:
    """Gives a file to somebody for a while; where owners are recorded, whoever it may be is us."""
    if here() is Owners.KERNEL:
        os.chown(path, *owner)


def record(path: str | bytes | int, kept: Record, *, follow: bool = False) -> None:
    """Writes down whose a file is, by its path or as an open file or directory."""
    follow = follow or isinstance(path, int)
    status = os.stat(path, follow_symlinks=follow)
    if _has_attributes(status):
        with _writable(path, status):
            os.setxattr(path, ATTRIBUTE, _encoded(kept), follow_symlinks=follow)
    else:
        os.utime(path, ns=(accessed(kept.owner), status.st_mtime_ns), follow_symlinks=follow)


def recorded(path: str | bytes | int, status: os.stat_result, *, follow: bool = False) -> Record | None:
    """What is written down of a file whose status is known; None where nothing is."""
    if not _has_attributes(status):
        seconds, gid = divmod(status.st_atime_ns, _SECOND)
        return Record(Owner(seconds - _BEGINNING, gid)) if seconds >= _BEGINNING else None
    try:
        value = os.getxattr(path, ATTRIBUTE, follow_symlinks=follow or isinstance(path, int))
        words = value.decode().split(":")
        owner = Owner(int(words[0]), int(words[1]))
        if words[2:]:
            return Record(owner, _DEVICES[words[2]], os.makedev(int(words[3]), int(words[4])))
        return Record(owner)
    except (OSError, ValueError, LookupError):  # nothing, or nothing of ours
        return None


@contextmanager
def _writable(path: str | bytes | int, status: os.stat_result) -> Iterator[None]:
    """Lets us set attributes of a file of ours that is read-only, for who is no root."""
    if os.geteuid() == 0 or status.st_mode & stat.S_IWUSR:
        yield
        return
    os.chmod(path, stat.S_IMODE(status.st_mode) | stat.S_IWUSR)
    try:
        yield
    finally:
        os.chmod(path, stat.S_IMODE(status.st_mode))


def chmod(path: str | int, mode: int) -> None:
    """Gives a file or directory a mode. One that closes it to ourselves, who may be no root, is written down, and it
    stays open.
    """
    status = os.stat(path)
    os.chmod(path, _opened(status.st_mode, mode))
    if _opened(status.st_mode, mode) != mode:
        os.setxattr(path, _MODE, b"%o" % mode)


def _opened(kind: int, mode: int) -> int:
    """A mode with what whoever is no root needs to read and pass through what is closed; ``kind`` has its ``S_IF…``."""
    if os.geteuid() == 0:
        return mode
    if stat.S_ISDIR(kind):
        return mode | stat.S_IRWXU
    return mode if mode & stat.S_IRUSR or not stat.S_ISREG(kind) else mode | stat.S_IRUSR | stat.S_IWUSR


def _recorded_mode(path: str | int, status: os.stat_result) -> int:
    """The mode that a file has in its image, unless it was given another since."""
    now = stat.S_IMODE(status.st_mode)
    if os.geteuid() == 0 or not _has_attributes(status):
        return now
    try:
        mode = int(os.getxattr(path, _MODE, follow_symlinks=isinstance(path, int)), 8)
    except (OSError, ValueError):
        return now
    return mode if _opened(status.st_mode, mode) == now else now


def accessed(owner: Owner) -> int:
    """The time of last access, in nanoseconds, that says whose a symlink or FIFO is."""
    return (_BEGINNING + owner.uid) * _SECOND + min(owner.gid, _SECOND - 1)


def lstat(path: str) -> os.stat_result:
    """What the image has at a path of a tree that this process made."""
    return seen(path, os.lstat(path))


def seen(path: str | int, status: os.stat_result) -> os.stat_result:
    """A status as lstat found it, with the owner, and the device, that the file has in its image."""
    if here() is Owners.KERNEL:
        return status
    return _changed(status, recorded(path, status) or Record(ROOT), _recorded_mode(path, status))


def settle(tree: os.PathLike[str], owner: Owner) -> None:
    """Writes down, where owners are recorded, whose all that is new in a tree is: the owner's, and in a directory that
    has the setgid bit, of the directory's group.
    """
    if here() is Owners.KERNEL:
        return
    directory = os.fspath(tree)
    if recorded(directory, os.lstat(directory)) is None:
        record(directory, Record(ROOT))  # made by us, to begin with
    for path, status, above in _below(directory):
        if _has_attributes(status) and _opened(status.st_mode, status.st_mode) != status.st_mode:
            chmod(path, stat.S_IMODE(status.st_mode))
        if recorded(path, status) is None and not (stat.S_ISCHR(status.st_mode) and status.st_rdev == 0):
            inherits = above.st_mode & stat.S_ISGID
            with suppress(FileNotFoundError):
                record(path, Record(Owner(owner.uid, above.st_gid if inherits else owner.gid)))


def _below(directory: str) -> Iterator[tuple[str, os.stat_result, os.stat_result]]:
    """All that is below a directory: (path, status, the status of the directory it is in), the latter as of then."""
    pending = [directory]
    while pending:
        here_now = pending.pop()
        above = lstat(here_now)
        with os.scandir(here_now) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                yield entry.path, status, above
                if stat.S_ISDIR(status.st_mode):
                    pending.append(entry.path)


def _has_attributes(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)


def _encoded(kept: Record) -> bytes:
    text = f"{kept.owner.uid}:{kept.owner.gid}"
    if kept.device:
        letter = next(letter for letter, kind in _DEVICES.items() if kind == kept.device)
        text += f":{letter}:{os.major(kept.number)}:{os.minor(kept.number)}"
    return text.encode()


def _changed(status: os.stat_result, kept: Record, mode: int) -> os.stat_result:
    mode |= kept.device or stat.S_IFMT(status.st_mode)
    words = (mode, *status[1:4], *kept.owner, *status[6:10])
    times = {name: getattr(status, name) for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")}
    return os.stat_result(words, {**times, "st_rdev": kept.number if kept.device else status.st_rdev})
