"""Keeps whose files are, for programs of a root who can give them to nobody: it does for them what they ask for.

A thread of ours answers the calls that ``filters`` lets be asked about. A file is found as its caller finds it, from
its root and its working directory, and opened by us before anything is done: what the caller changes meanwhile in its
memory or in the tree changes nothing. What the kernel does when files are given away is done too, by giving them to
ourselves: setuid bits and capabilities go, links are followed, who may not write gets the error. Who asks whose a file
is is told what was kept, since much is copied by what is told (by cp, sed, useradd).
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from queue import SimpleQueue
from typing import TypeAlias

from minibuild.layers import owners
from minibuild.layers.owners import ROOT, Owner, Record
from minibuild.sandbox import filters, syscalls
from minibuild.sandbox.notices import Listener, Notice

_HERE = -100  # AT_FDCWD
_EMPTY_PATH = 0x1000
_NOW, _OMITTED = (1 << 30) - 1, (1 << 30) - 2  # UTIME_…
_SAME = 0xFFFFFFFF
_LONGEST = 4096
_KEEPERS_OF = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO)

_Call: TypeAlias = "Callable[[_Caller, tuple[int, ...]], bool]"


class Keeper:
    """The thread that answers. ``owner`` is whose files are that nobody gave away: the user's that the program is to
    run as.
    """

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._listeners: SimpleQueue[Listener | None] = SimpleQueue()
        # Not by the thread that is to be kept: what that one starts is kept too.
        threading.Thread(target=self._work, name="owners", daemon=True).start()

    def keep(self) -> None:
        """Puts the calling thread, and what it starts from now on, under our care, for good."""
        self._listeners.put(Listener.install())

    def release(self) -> None:
        """Nobody will be kept any more but who is, and what those start."""
        self._listeners.put(None)

    def _work(self) -> None:
        listener = self._listeners.get()
        if listener is None:
            return
        syscalls.unshare(syscalls.CLONE_FS)
        machine = filters.architecture()
        assert machine is not None
        calls = {machine.calls[name]: call for name, call in _CALLS.items() if name in machine.calls}
        with ExitStack() as stack:
            stack.callback(listener.close)
            places = _Places(stack)
            while notice := listener.receive():
                caller = _Caller(listener, notice, places, self._owner)
                try:
                    is_done = calls[notice.number](caller, notice.arguments)
                except OSError as error:
                    listener.answer(notice, error.errno or 1)
                else:
                    listener.answer(notice) if is_done else listener.leave(notice)


def is_possible() -> bool:
    """Programs can be kept here; else all that they give away stays root's. Tried by a thread that then ends."""
    answers: list[bool] = []

    def attempt() -> None:
        listener = Listener.install()
        answers.append(listener is not None)
        if listener:
            listener.close()

    thread = threading.Thread(target=attempt, name="owners")
    thread.start()
    thread.join()
    return answers == [True]


class _Places:
    """Where we are, for a thread that goes elsewhere to look for files: our root, and /proc."""

    def __init__(self, stack: ExitStack) -> None:
        self.own = _opened(stack, "/", None)
        self.proc = _opened(stack, "/proc", None)


def _opened(stack: ExitStack, path: str, directory: int | None, flags: int = os.O_PATH) -> int:
    descriptor = os.open(path, flags | os.O_CLOEXEC, dir_fd=directory)
    stack.callback(os.close, descriptor)
    return descriptor


class _Caller:
    """A thread that waits, and what it has: files by descriptors and paths, memory."""

    def __init__(self, listener: Listener, notice: Notice, places: _Places, owner: Owner) -> None:
        self._listener, self._notice, self._places, self._owner = listener, notice, places, owner

    def read(self, address: int, size: int) -> bytes:
        """What is in its memory, up to that many bytes."""
        with ExitStack() as stack:
            memory = _opened(stack, f"{self._notice.thread}/mem", self._places.proc, os.O_RDONLY)
            return os.pread(memory, size, address)

    def path(self, address: int) -> bytes:
        """The path at an address."""
        return self.read(address, _LONGEST).partition(b"\0")[0]

    def open(self, stack: ExitStack, directory: int, path: bytes, flags: int, mode: int = 0) -> int:
        """Opens what a path leads it to; an empty one: the directory itself, which may be a file."""
        own, proc = self._places.own, self._places.proc
        started = f"fd/{_signed(directory)}" if _signed(directory) != _HERE else "cwd"
        with ExitStack() as on_the_way:
            try:
                start = _opened(on_the_way if path else stack, f"{self._notice.thread}/{started}", proc)
            except FileNotFoundError as error:
                raise OSError(errno.EBADF, "no such descriptor") from error
            found = start
            if path:
                root = _opened(on_the_way, f"{self._notice.thread}/root", proc)
                try:
                    os.fchdir(root)
                    os.chroot(".")
                    found = os.open(path, flags | os.O_CLOEXEC, mode, dir_fd=start)
                finally:
                    os.fchdir(own)
                    os.chroot(".")
                stack.callback(os.close, found)
        if not self._listener.is_waiting(self._notice):
            raise InterruptedError
        return found

    def give(self, directory: int, path: bytes, uid: int, gid: int, *, follow: bool) -> bool:
        """Gives a file to somebody, as far as it goes, and writes down whose it is."""
        with ExitStack() as stack:
            file = _reached(self.open(stack, directory, path, os.O_PATH | (0 if follow else os.O_NOFOLLOW)))
            if self._owner.uid != 0:
                return True  # who isn't root gives nothing away, and would not have tried
            status = os.stat(file)
            kept = owners.recorded(file, status, follow=True) or Record(self._owner)
            os.chown(file, 0, 0)
            if stat.S_IFMT(status.st_mode) in _KEEPERS_OF:
                owner = Owner(kept.owner.uid if uid == _SAME else uid, kept.owner.gid if gid == _SAME else gid)
                with suppress(OSError):  # on a filesystem that is none of an image's
                    owners.record(file, kept._replace(owner=owner), follow=True)
        return True

    def make(self, directory: int, path: bytes, mode: int, number: int) -> bool:
        """Makes the file that stands for a device."""
        if stat.S_ISCHR(mode) and number == 0:
            return False  # overlay's mark of a deletion, which the kernel lets be made, or not
        with ExitStack() as stack:
            status = _opened(stack, f"{self._notice.thread}/status", self._places.proc, os.O_RDONLY)
            umask = int(os.read(status, _LONGEST).partition(b"Umask:\t")[2].split()[0], 8)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            file = self.open(stack, directory, path, flags, 0o600)
            os.fchmod(file, stat.S_IMODE(mode) & ~umask)
            major, minor = (number >> 8) & 0xFFF, (number & 0xFF) | ((number >> 12) & 0xFFF00)
            owner = self._owner_in(self.open(stack, directory, os.path.dirname(path) or b".", os.O_PATH))
            owners.record(file, Record(owner, stat.S_IFMT(mode), os.makedev(major, minor)))
        return True

    def _owner_in(self, directory: int) -> Owner:
        """Whose a new file in a directory is."""
        status = os.fstat(directory)
        kept = owners.recorded(_reached(directory), status, follow=True)
        if kept and status.st_mode & stat.S_ISGID:
            return self._owner._replace(gid=kept.owner.gid)
        return self._owner

    def tell(self, directory: int, path: int, target: int, *, follow: bool, mask: int | None = None) -> bool:
        """Writes a file's status to an address, where it isn't what the kernel says; ``mask`` is statx(2)'s."""
        if self._owner.uid != 0:
            return False  # to it, all belongs to the one that it is
        machine = filters.architecture()
        assert machine is not None
        try:
            with ExitStack() as stack:
                name = self.path(path) if path else b""
                file = self.open(stack, directory, name, os.O_PATH | (0 if follow else os.O_NOFOLLOW))
                kept = owners.recorded(_reached(file), os.fstat(file), follow=True)
                if kept is None or kept == Record(ROOT):
                    return False
                if mask is None:
                    written = _patched(machine, file, kept)
                else:
                    written = _patched_extended(machine, file, mask, kept)
                memory = _opened(stack, f"{self._notice.thread}/mem", self._places.proc, os.O_RDWR)
                os.pwrite(memory, written, target)
        except OSError:
            return False  # which the kernel says too
        return True

    def touch(self, directory: int, path: int, times: int) -> bool:
        """Sets the times of something itself where its time of access says whose it is."""
        if path == 0:
            return False
        with ExitStack() as stack:
            file = _reached(self.open(stack, directory, self.path(path), os.O_PATH | os.O_NOFOLLOW))
            status = os.stat(file)
            kept = owners.recorded(file, status, follow=True)
            if kept is None or stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode):
                return False
            modified = time.time_ns()
            if times:
                _, _, seconds, nanoseconds = struct.unpack("4q", self.read(times, 32))
                if nanoseconds == _OMITTED:
                    modified = status.st_mtime_ns
                elif nanoseconds != _NOW:
                    modified = seconds * 1_000_000_000 + nanoseconds
            os.utime(file, ns=(owners.accessed(kept.owner), modified))
        return True


def _reached(descriptor: int) -> str:
    """The path of something open, itself: a link that is reached so isn't followed."""
    return f"/proc/self/fd/{descriptor}"


def _patched(machine: filters.Architecture, file: int, kept: Record) -> bytes:
    """What stat(2) says of an open file, as the machine lays it out, with what was kept."""
    layout = machine.status
    buffer = ctypes.create_string_buffer(layout.size)
    syscalls.call(machine.calls["newfstatat"], file, b"", ctypes.addressof(buffer), _EMPTY_PATH)
    struct.pack_into("=I", buffer, layout.uid, kept.owner.uid)
    struct.pack_into("=I", buffer, layout.gid, kept.owner.gid)
    if kept.device:
        [mode] = struct.unpack_from("=I", buffer, layout.mode)
        struct.pack_into("=I", buffer, layout.mode, stat.S_IMODE(mode) | kept.device)
        struct.pack_into("=Q", buffer, layout.device, kept.number)
    return buffer.raw


def _patched_extended(machine: filters.Architecture, file: int, mask: int, kept: Record) -> bytes:
    """The same of statx(2), whose structure is the same on every machine."""
    buffer = ctypes.create_string_buffer(256)
    syscalls.call(machine.calls["statx"], file, b"", _EMPTY_PATH, mask, ctypes.addressof(buffer))
    struct.pack_into("=II", buffer, 20, *kept.owner)
    if kept.device:
        [mode] = struct.unpack_from("=H", buffer, 28)
        struct.pack_into("=H", buffer, 28, stat.S_IMODE(mode) | kept.device)
        struct.pack_into("=II", buffer, 128, os.major(kept.number), os.minor(kept.number))
    return buffer.raw


def _signed(word: int) -> int:
    return int(struct.unpack("i", struct.pack("I", word & 0xFFFFFFFF))[0])


def _ids(uid: int, gid: int) -> tuple[int, int]:
    return uid & 0xFFFFFFFF, gid & 0xFFFFFFFF


def _chown(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.give(_HERE, caller.path(given[0]), *_ids(*given[1:3]), follow=True)


def _lchown(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.give(_HERE, caller.path(given[0]), *_ids(*given[1:3]), follow=False)


def _fchown(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.give(given[0], b"", *_ids(*given[1:3]), follow=True)


def _fchownat(caller: _Caller, given: tuple[int, ...]) -> bool:
    path, flags = caller.path(given[1]), given[4]
    if not path and not flags & _EMPTY_PATH:
        raise FileNotFoundError(2, "no path")
    return caller.give(given[0], path, *_ids(*given[2:4]), follow=not flags & filters.AT_SYMLINK_NOFOLLOW)


def _mknod(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.make(_HERE, caller.path(given[0]), given[1] & 0xFFFF, given[2] & 0xFFFFFFFF)


def _mknodat(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.make(given[0], caller.path(given[1]), given[2] & 0xFFFF, given[3] & 0xFFFFFFFF)


def _utimensat(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.touch(given[0], given[1], given[2])


def _stat(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.tell(_HERE, given[0], given[1], follow=True)


def _lstat(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.tell(_HERE, given[0], given[1], follow=False)


def _fstat(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.tell(given[0], 0, given[1], follow=True)


def _newfstatat(caller: _Caller, given: tuple[int, ...]) -> bool:
    return caller.tell(given[0], given[1], given[2], follow=not given[3] & filters.AT_SYMLINK_NOFOLLOW)


def _statx(caller: _Caller, given: tuple[int, ...]) -> bool:
    follow = not given[2] & filters.AT_SYMLINK_NOFOLLOW
    return caller.tell(given[0], given[1], given[4], follow=follow, mask=given[3] & 0xFFFFFFFF)


_CALLS = {
    "chown": _chown,
    "fchown": _fchown,
    "lchown": _lchown,
    "fchownat": _fchownat,
    "mknod": _mknod,
    "mknodat": _mknodat,
    "utimensat": _utimensat,
    "stat": _stat,
    "lstat": _lstat,
    "fstat": _fstat,
    "newfstatat": _newfstatat,
    "statx": _statx,
}
