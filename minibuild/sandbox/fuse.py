"""An overlay by the program fuse-overlayfs, for kernels that don't let us mount their own.

We mount, and the program serves the mount by a descriptor that it inherits: so it is mounted as we want it, and nobody
waits for the program to be ready, since whoever looks into the mount waits for the first answer.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.errors import UnavailableError
from minibuild.sandbox import syscalls
from minibuild.sandbox.mounts import Overlay, unmount

if TYPE_CHECKING:
    from subprocess import Popen

NAME = "fuse-overlayfs"
_DEVICE = "/dev/fuse"


@contextmanager
def mounted_by_fuse(overlay: Overlay, target: Path, base: Path) -> Iterator[None]:
    """Mounts it while the block lasts, devices disabled. All its directories are below ``base``, and below that none
    has ``:``, ``,`` or a backslash in its name.

    When the block is left, all that was written has arrived. The program dies with the calling thread. Raises
    UnavailableError where it can't be had.
    """
    program = shutil.which(NAME)
    if program is None:
        raise UnavailableError(f"{NAME} is not installed", hint=f"as root: apt-get install {NAME}")
    log = os.memfd_create(NAME)
    try:
        with _mounted(target, is_writable=overlay.upper is not None) as device:
            daemon = _serve([program, "-f", "-o", _options(overlay, base), f"/dev/fd/{device}"], base, device, log)
        try:
            _await(target, log)
            yield
        finally:
            unmount(target)
            daemon.wait()
    finally:
        os.close(log)


@contextmanager
def _mounted(target: Path, *, is_writable: bool) -> Iterator[int]:
    """The descriptor by which a mount is served; the mount is dead if nobody else has it when the block is left."""
    try:
        device = os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise UnavailableError(f"{_DEVICE} can't be opened: {(error.strerror or str(error)).lower()}") from error
    try:
        options = f"fd={device},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other"
        flags = syscalls.MS_NODEV | (0 if is_writable else syscalls.MS_RDONLY)
        syscalls.mount("minibuild", target, "fuse.overlay", flags, options)
        try:
            yield device
        except BaseException:
            unmount(target)
            raise
    finally:
        os.close(device)


def _options(overlay: Overlay, base: Path) -> str:
    # Relative, as the names of directories above may hold what separates options and layers.
    words = ["lowerdir=" + ":".join(os.path.relpath(lower, base) for lower in overlay.lowers)]
    if overlay.upper and overlay.work:
        words += [f"upperdir={os.path.relpath(overlay.upper, base)}", f"workdir={os.path.relpath(overlay.work, base)}"]
    return ",".join(words)


def _serve(command: list[str], base: Path, device: int, log: int) -> Popen[bytes]:
    from subprocess import DEVNULL, Popen

    # A session of its own: a terminal's Ctrl-C is for us, and the tree must last until RUN has ended.
    return Popen(
        command,
        cwd=base,
        pass_fds=[device],
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=log,
        start_new_session=True,
        preexec_fn=_dying_with(os.getpid()),
    )


def _dying_with(parent: int) -> Callable[[], None]:
    def die_with() -> None:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it was dead before it was watched
            os._exit(1)

    return die_with


def _await(target: Path, log: int) -> None:
    """Waits until the mount is served; raises UnavailableError with what the program has to say against it."""
    try:
        os.statvfs(target)
    except OSError as error:
        said = os.pread(log, 1 << 16, 0).decode(errors="replace").splitlines() or [str(error)]
        raise UnavailableError(f"{NAME} serves no tree: {said[-1].removeprefix(f'{NAME}: ')}") from error
