"""Mounts that only the thread that made them sees, and that vanish with the process, however it dies."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

from minibuild.errors import UnavailableError
from minibuild.sandbox import syscalls
from minibuild.sandbox.userns import AS_ROOT, in_first_user_namespace
from minibuild.values import dataclass

# The kernel's own bound is 500 lower directories.
OVERLAY_LIMIT = 500
# "index" and "metacopy" would leave things in the upper directory that no layer can hold. "redirect_dir=nofollow"
# distrusts redirects planted in a layer; "off" still follows them where the kernel was built so.
_OVERLAY_OPTIONS = (("index", "off"), ("metacopy", "off"), ("redirect_dir", "nofollow"))
_SOURCE = "minibuild"
_OURS = re.compile(rb" - (?:fuse\.)?overlay minibuild ")
_OCTAL = re.compile(rb"\\([0-7]{3})")
_thread = threading.local()


def private_mounts() -> None:
    """Moves the calling thread, and what it starts from now on, into a mount namespace of its own; once per thread.

    Mounts made outside still arrive. Raises UnavailableError for who may not.
    """
    if getattr(_thread, "private", False):
        return
    try:
        syscalls.unshare(syscalls.CLONE_FS | syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    except OSError as error:
        raise UnavailableError(
            f"a mount namespace can't be made: {(error.strerror or str(error)).lower()}", hint=AS_ROOT
        ) from error
    _drop_copies()
    _thread.private = True


@cache
def may_mount() -> bool:
    """We may move into a mount namespace of our own; tried by a thread that is there for nothing else."""
    answers: list[bool] = []

    def work() -> None:
        with suppress(UnavailableError):
            private_mounts()
            answers.append(True)

    thread = threading.Thread(target=work, name="mounts")
    thread.start()
    thread.join()
    return bool(answers)


def _drop_copies() -> None:
    # A thread started by one that has trees mounted gets copies of them, which would keep them alive.
    table = Path("/proc/thread-self/mountinfo").read_bytes()
    places = [line.split(b" ")[4] for line in table.splitlines() if _OURS.search(line)]
    for place in reversed(places):
        with suppress(OSError):
            unmount(os.fsdecode(_OCTAL.sub(lambda octal: bytes([int(octal[1], 8)]), place)))


def deepest_overlay() -> int:
    """How many layers a mount should have: each costs a look-up for every name that isn't there, the kernel takes 500,
    and before Linux 6.7 their names must fit into a page.
    """
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return 400 if version and (int(version[1]), int(version[2])) >= (6, 7) else 200


@dataclass(frozen=True, slots=True)
class Overlay:
    """What an overlay mount is made of: lower directories, the topmost first, and where changes go.

    ``upper`` and ``work`` None: read-only. ``work`` must be fresh.
    """

    lowers: Sequence[Path]
    upper: Path | None = None
    work: Path | None = None

    def mount(self, target: Path) -> None:
        """Mounts it, devices disabled.

        Raises OSError: E2BIG for more layers than this kernel takes.
        """
        if len(self.lowers) > OVERLAY_LIMIT:
            raise OSError(errno.E2BIG, f"{len(self.lowers)} layers are more than overlay takes", os.fspath(target))
        try:
            self._mount_new(target)
        except OSError as error:
            # Before Linux 5.2 there is no fsopen, before 6.7 no "lowerdir+".
            if error.errno not in (errno.ENOSYS, errno.EINVAL):
                raise
            self.mount_classic(target)

    def _mount_new(self, target: Path) -> None:
        with ExitStack() as stack:
            context = _closing(stack, syscalls.fsopen("overlay"))
            syscalls.fsconfig_string(context, "source", _SOURCE)
            for lower in self.lowers:
                syscalls.fsconfig_string(context, "lowerdir+", _short(stack, lower))
            if self.upper and self.work:
                syscalls.fsconfig_string(context, "upperdir", _short(stack, self.upper))
                syscalls.fsconfig_string(context, "workdir", _short(stack, self.work))
                syscalls.fsconfig_flag(context, "volatile")
            for key, value in _OVERLAY_OPTIONS:
                syscalls.fsconfig_string(context, key, value)
            if not in_first_user_namespace():
                syscalls.fsconfig_flag(context, "userxattr")
            syscalls.fsconfig_create(context)
            attributes = syscalls.MOUNT_ATTR_NODEV | (0 if self.upper else syscalls.MOUNT_ATTR_RDONLY)
            mounted = _closing(stack, syscalls.fsmount(context, attributes))
            syscalls.move_mount(mounted, target)

    def mount_classic(self, target: Path) -> None:
        """Mounts it by mount(2), whose options must fit into a page: about 200 layers, named by descriptors."""
        with ExitStack() as stack:
            lowers = ":".join(_numbered(stack, lower) for lower in self.lowers)
            words = [f"lowerdir={lowers}", *(f"{key}={value}" for key, value in _OVERLAY_OPTIONS)]
            if self.upper and self.work:
                words += [f"upperdir={_numbered(stack, self.upper)}", f"workdir={_numbered(stack, self.work)}"]
                words += ["volatile"]
            if not in_first_user_namespace():
                words += ["userxattr"]
            flags = syscalls.MS_NODEV | (0 if self.upper else syscalls.MS_RDONLY)
            syscalls.mount(_SOURCE, target, "overlay", flags, ",".join(words))


def _closing(stack: ExitStack, descriptor: int) -> int:
    stack.callback(os.close, descriptor)
    return descriptor


def _numbered(stack: ExitStack, path: Path) -> str:
    return f"/proc/self/fd/{_closing(stack, os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))}"


def _short(stack: ExitStack, path: Path) -> str:
    # fsconfig takes 255 bytes.
    text = os.fspath(path)
    return text if len(os.fsencode(text)) <= 255 else _numbered(stack, path)


def bind(source: str | Path, target: str | Path, attributes: int = 0) -> None:
    """Binds a file or directory, with all that is mounted below it, at a path; ``MOUNT_ATTR_…`` are set for all."""
    with copied(source, attributes) as copy:
        syscalls.move_mount(copy, target)


@contextmanager
def copied(source: str | Path, attributes: int = 0) -> Iterator[int]:
    """A copy of what is mounted at a path, and below it, that stands nowhere yet: what it is moved to keeps it."""
    copy = syscalls.open_tree(source)
    try:
        if attributes:
            syscalls.mount_setattr(copy, attributes)
        yield copy
    finally:
        os.close(copy)


def tmpfs(target: str | Path, size: int = 0, mode: int = 0o1777) -> None:
    """Mounts an empty directory in memory; ``size`` 0: half of it may fit in there."""
    limit = f",size={size}" if size else ""
    syscalls.mount("tmpfs", target, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, f"mode={mode:o}{limit}")


def unmount(target: str | Path) -> None:
    """Takes away what is mounted at a path, at once for new comers, and for good when nobody uses it any more."""
    syscalls.umount(target, syscalls.MNT_DETACH)


@contextmanager
def mounted(target: Path) -> Iterator[Path]:
    """Unmounts a path when the block is left."""
    try:
        yield target
    finally:
        unmount(target)
