"""Programs of another architecture: the kernel hands them to qemu for as long as a test needs it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from minibuild.build.platforms import BINFMT_MISC, handlers
from tests.daemons import locked
from tests.machine import require

ARCHITECTURE, MACHINE = "arm64", "aarch64"
_ENTRY = "minibuild-test"
# How its programs begin, and what Debian's qemu-user-static registers for them where a system boots.
_PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00"
_DEBIAN = Path("/usr/lib/binfmt.d/qemu-aarch64.conf")


@contextmanager
def binfmt_misc(lock: Path) -> Iterator[bool]:
    """The kernel's table of interpreters, mounted; answers whether it has one for the architecture already.

    Nobody else among the tests changes it meanwhile, and what was mounted goes in the end.
    """
    require("mount", root=True)
    with ExitStack() as stack:
        stack.enter_context(locked(lock))
        if not (BINFMT_MISC / "register").exists():
            done = subprocess.run(["mount", "-t", "binfmt_misc", "none", BINFMT_MISC], capture_output=True, text=True)
            if done.returncode:
                pytest.skip(f"this kernel has no binfmt_misc: {done.stderr.strip()}")
            stack.callback(subprocess.run, ["umount", BINFMT_MISC], check=True)
        yield any(handler.takes(_PROGRAM) for handler in handlers())


@contextmanager
def emulated(lock: Path) -> Iterator[None]:
    """Trees of the architecture run: by whoever is registered for it, else by qemu, registered as Debian does."""
    require("qemu-aarch64-static")
    with binfmt_misc(lock) as is_there:
        if is_there:
            yield
            return
        _, _, entry = _DEBIAN.read_text().strip().lstrip(":").partition(":")
        (BINFMT_MISC / "register").write_text(f":{_ENTRY}:{entry}")
        try:
            yield
        finally:
            (BINFMT_MISC / _ENTRY).write_text("-1")
