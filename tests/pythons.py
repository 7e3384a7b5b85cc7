"""Other versions of Python on this machine, each with minibuild's dependencies, kept between runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import locked

VERSIONS = ("3.11", "3.12", "3.13")
_PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def python(version: str) -> str:
    """An interpreter of that version which can run minibuild, told by PYTHONPATH where it is; this one if it is that.

    Skips the test where the machine has none; CI's, which has all, fails it instead.
    """
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return sys.executable
    found = next((path for path in _candidates(version) if _works(path, version)), None)
    if found is None:
        reason = f"no python{version} on PATH, nor kept by pyenv"
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI's machine lacks something: {reason}", pytrace=False)
        pytest.skip(reason)
    return str(_environment(found, version))


def _candidates(version: str) -> Iterator[str]:
    if path := shutil.which(f"python{version}"):
        yield path
    kept = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    yield from map(str, sorted(kept.glob(f"{version}.*/bin/python{version}")))


def _works(path: str, version: str) -> bool:
    words = [path, "-c", "import sys, venv; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(words, capture_output=True, text=True).stdout.strip() == version


def _environment(interpreter: str, version: str) -> Path:
    """A virtual environment with the dependencies alone: the code under test is the one at hand."""
    dependencies = tomllib.loads(_PROJECT.read_text())["project"]["dependencies"]
    names = hashlib.sha256("\n".join([interpreter, *dependencies]).encode()).hexdigest()[:12]
    cache = Path(os.environ.get("MINIBUILD_TEST_CACHE") or Path.home() / ".cache" / "minibuild-tests")
    place = cache / f"python-{version}-{names}"
    with locked(place.with_suffix(".lock")):
        if not (place / "whole").exists():
            shutil.rmtree(place, ignore_errors=True)
            _run(interpreter, "-m", "venv", str(place))
            _run(str(place / "bin" / "pip"), "install", "--quiet", *dependencies)
            (place / "whole").touch()
    return place / "bin" / "python"


def _run(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
