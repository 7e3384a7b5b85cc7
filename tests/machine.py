"""What the machine under test can do: skip with the reason, or fail where CI promised it."""

from __future__ import annotations

import os
import shutil

import pytest


def require(*programs: str, root: bool = False) -> None:
    """Skips the test unless these programs are on PATH (and we are root): in CI, which has them all, it fails."""
    missing = [program for program in programs if _which(program) is None]
    reasons = [f"{', '.join(missing)} not installed"] if missing else []
    if root and os.geteuid() != 0:
        reasons.append("needs root")
    if not reasons:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI's machine lacks something: {'; '.join(reasons)}", pytrace=False)
    pytest.skip("; ".join(reasons))


def _which(program: str) -> str | None:
    # Daemons live in sbin, which a plain user's PATH leaves out.
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
