"""Builds by the BuildKit inside a real docker daemon, asked by a docker that needs no plug-in for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.daemons import Dockerd
from tests.machine import require


@dataclass(frozen=True)
class BuildKit:
    """``program`` is a docker client with BuildKit built in, as Debian 12 has it; later ones ask a plug-in."""

    daemon: Dockerd
    program: str

    @classmethod
    def of(cls, daemon: Dockerd) -> BuildKit:
        """By the first such client on PATH or where Debian puts it; skips the test where there is none."""
        for directory in (*os.environ.get("PATH", "").split(":"), "/usr/bin"):
            program = f"{directory}/docker"
            if os.access(program, os.X_OK) and _run([program, "build", "--help"], daemon).returncode == 0:
                return cls(daemon, program)
        require("a docker client with BuildKit built in")
        raise AssertionError("require let a missing program pass")

    def build(self, context: Path, dockerfile: Path, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """``docker build``; RUN has the host's network, for the daemon has no other."""
        return _run(
            [self.program, "build", "--network=host", "--progress=plain", f"--file={dockerfile}", *words, str(context)],
            self.daemon,
        )


def _run(command: Sequence[str], daemon: Dockerd) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=os.environ | {"DOCKER_HOST": daemon.host, "DOCKER_BUILDKIT": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
