"""What the machine under test can do: skip with the reason, or fail where CI promised it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

CAP_SYS_ADMIN = 21


def require(*programs: str, root: bool = False) -> None:
    """Skips the test unless these programs are on PATH (and we are root); CI, which has all of it, fails it instead."""
    missing = [program for program in programs if _which(program) is None]
    reasons = [f"{', '.join(missing)} not installed"] if missing else []
    if root and not is_root():
        reasons.append("needs root with CAP_SYS_ADMIN")
    if reasons:
        _lacks(reasons)


def require_user_namespaces() -> None:
    """Skips the test where none can be made, as in a container by default; CI's machine makes them."""
    require("unshare")
    tried = subprocess.run(["unshare", "--user", "--map-root-user", "true"], capture_output=True, text=True)
    if tried.returncode:
        _lacks([f"no user namespace can be made: {tried.stderr.strip()}"])


def _lacks(reasons: Sequence[str]) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI's machine lacks something: {'; '.join(reasons)}", pytrace=False)
    pytest.skip("; ".join(reasons))


def is_root() -> bool:
    """Whether we are root as a machine has it, free to mount and to set ``trusted.*``: not as a container has it."""
    if sys.platform != "linux":
        return False
    [effective] = re.findall(r"^CapEff:\s*(\w+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return os.geteuid() == 0 and bool(int(effective, 16) >> CAP_SYS_ADMIN & 1)


def _which(program: str) -> str | None:
    # Daemons live in sbin, which a plain user's PATH leaves out.
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
