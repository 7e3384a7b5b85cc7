"""What is started in a cradle is reached by one end of a pipe, and reaches nothing of ours."""

from __future__ import annotations

import os
import sys
from subprocess import PIPE
from typing import Any

import pytest

from minibuild.errors import UnavailableError
from minibuild.runtimes.cradle import Cradle
from minibuild.sandbox import syscalls
from tests.machine import require


@pytest.fixture(autouse=True)
def _root() -> None:
    require("sh", "mount", root=True)


def test_closing_ends_all_that_lives_in_it() -> None:
    cradled = Cradle().start(["/bin/sh", "-c", "sleep 1000 & exec sleep 1000"])

    cradled.close()

    assert cradled.wait() == 137


def test_the_program_is_in_a_pid_namespace_of_its_own() -> None:
    cradled = Cradle().start(["/bin/sh", "-c", "readlink /proc/self/ns/pid"], stdout=PIPE)
    assert cradled.process.stdout
    with cradled.process.stdout as output:
        theirs = output.read().decode().strip()
    cradled.close()

    assert theirs not in ("", os.readlink("/proc/self/ns/pid"))


def test_whoever_starts_it_stays_where_they_are() -> None:
    def spaces() -> list[str]:
        return [os.readlink(f"/proc/thread-self/ns/{name}") for name in ("mnt", "pid_for_children", "ipc", "uts")]

    before = spaces()
    Cradle(namespaces=syscalls.CLONE_NEWUTS).start(["/bin/true"]).close()

    assert spaces() == before


class _Importing(dict[str, str]):
    """An environment that imports something when it is looked at."""

    def items(self) -> Any:
        import this  # noqa: F401

        return super().items()


def test_nothing_is_imported_once_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread's root may be an image by then, which could bring modules of its own."""
    monkeypatch.delitem(sys.modules, "this", raising=False)

    with pytest.raises(ImportError, match="can't be imported from inside an image"):
        Cradle().start(["/bin/true"], env=_Importing())
    assert "this" not in sys.modules
    assert not [finder for finder in sys.meta_path if type(finder).__name__ == "_Refusing"]


def test_a_program_that_is_not_there_leaves_nothing_running() -> None:
    with pytest.raises(FileNotFoundError):
        Cradle().start(["/no/such/program"])


def test_what_fails_inside_is_told() -> None:
    def fail() -> None:
        raise UnavailableError("no")

    with pytest.raises(UnavailableError):
        Cradle(after=fail).start(["/bin/true"])
