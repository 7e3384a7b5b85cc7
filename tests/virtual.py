"""A machine with another kernel: Debian's user-mode-linux, a Linux that is a program, with what this one's lacks.

It has this machine's files, but may write nowhere except to a directory of the test's and to ``/run``, in memory.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.machine import require

REPOSITORY = Path(__file__).parent.parent
_MEMORY = 2 << 30


@dataclass(frozen=True)
class Ended:
    """How a command ended there, and all that it said."""

    status: int
    output: str


def run_virtually(
    command: list[str], directory: Path, modules: list[str], *, timeout_s: float, variables: Mapping[str, str]
) -> Ended:
    """Boots, loads kernel modules, runs a command as root in the repository, with ``directory`` to write to; fails the
    test with the kernel's words where that takes too long or the machine dies.
    """
    require("linux.uml", root=True)
    output, status, init = directory / "output", directory / "status", directory / "init"
    inside = [sys.executable, str(REPOSITORY / "tests/virtual_inside.py"), str(directory), ",".join(modules), *command]
    assignments = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    init.write_text(f"#!/bin/sh\n{assignments}exec {shlex.join(inside)}\n")
    init.chmod(0o755)
    words = [f"mem={_MEMORY >> 20}M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}", "con=null"]
    with subprocess.Popen(
        ["linux.uml", *words, "con0=fd:0,fd:1", "panic=-1", "quiet"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": _memory_directory(directory)},
        text=True,
        errors="replace",
        start_new_session=True,
    ) as machine:
        try:
            console, _ = machine.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(machine.pid, signal.SIGKILL)
            console = f"{machine.communicate()[0]}\nnot done after {timeout_s} s"
    said = output.read_text(errors="replace") if output.exists() else ""
    if not status.exists():
        pytest.fail(f"the virtual machine died\n{console}\n{said}", pytrace=False)
    return Ended(int(status.read_text()), said)


def _memory_directory(otherwise: Path) -> str:
    """Where the machine's memory is kept: in ours, unless, as in a container, there is little of that."""
    shared = "/dev/shm"
    return shared if os.path.isdir(shared) and shutil.disk_usage(shared).free > _MEMORY else str(otherwise)
