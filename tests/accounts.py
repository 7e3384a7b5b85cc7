"""A made-up plain user of this machine, with ranges of ids in /etc/subuid and /etc/subgid, or without."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.daemons import locked

_IDS = "2000000-2065535"


@dataclass(frozen=True)
class PlainUser:
    """An account; it goes with the tests that wanted it."""

    name: str
    uid: int

    def own_directory(self, path: Path) -> Path:
        """Makes a directory that is the user's."""
        path.mkdir()
        os.chown(path, self.uid, self.uid)
        return path


@contextmanager
def plain_user(name: str, lock: Path, *, has_ranges: bool = True) -> Iterator[PlainUser]:
    """The account, while the block lasts; ``lock`` is a file for those who make others meanwhile."""
    # A system's account gets no ranges by itself.
    kind = () if has_ranges else ("--system",)
    with locked(lock):
        _run("useradd", *kind, "--no-create-home", "--home-dir", "/nonexistent", "--user-group", name)
    try:
        with locked(lock):
            for file, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
                if has_ranges and not any(line.startswith(f"{name}:") for line in Path(file).read_text().splitlines()):
                    _run("usermod", option, _IDS, name)
        yield PlainUser(name, int(_run("id", "-u", name)))
    finally:
        with locked(lock):
            # What was killed may not have been waited for yet.
            _run("userdel", "--force", name)


@contextmanager
def open_directory() -> Iterator[Path]:
    """A temporary directory that all users can reach: pytest closes those that it makes, and does so time and again."""
    with TemporaryDirectory(prefix="minibuild-test-") as name:
        os.chmod(name, 0o755)
        yield Path(name)


def let_in(directory: Path) -> None:
    """Lets others pass through a directory and those above it: pytest keeps its own to their owner."""
    for path in (directory, *directory.parents):
        mode = path.stat().st_mode
        if not mode & 0o001:
            path.chmod(mode | 0o011)


def _run(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} ended with {done.returncode}: {done.stderr}"
    return done.stdout
