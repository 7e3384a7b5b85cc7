"""devicemapper, on a kernel that has one: boots user-mode-linux, and works inside it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.virtual import Ended, run_virtually

pytestmark = pytest.mark.e2e

# In the order in which they need one another.
MODULES = ["dm-mod", "dm-bufio", "dm-bio-prison", "dm-persistent-data", "dm-thin-pool", "loop"]


def pytest_there(directory: Path, *words: str) -> Ended:
    """What pytest says there."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp=/run/pytest", *words]
    return run_virtually(command, directory, MODULES, timeout_s=240, variables={"PYTHONDONTWRITEBYTECODE": "1"})


def test_it_keeps_the_contract_of_snapshotters(tmp_path: Path) -> None:
    ended = pytest_there(tmp_path, "tests/contracts/test_snapshotter.py", "-k", "devicemapper", "--durations=8")
    print(ended.output)
    assert ended.status == 0, ended.output
