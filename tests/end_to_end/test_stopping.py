"""Ctrl-C, a polite kill and a brutal one leave no process, no mount and no half-written step behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.command import Minibuild
from tests.end_to_end.conftest import Project

pytestmark = pytest.mark.e2e

RUNTIMES = ["crun", "runc", "bubblewrap", "unshare"]
PATIENCE_S = 30


def dockerfile(marker: str) -> dict[str, str]:
    """A build that sleeps, with a word that nothing else on the machine has in its command line."""
    return {"Dockerfile": f"FROM busybox\nRUN echo ready > /ready; sleep {marker} & sleep {marker}; true\n"}


@pytest.fixture
def marker() -> str:
    """A number of seconds that tells this test's sleep from all others."""
    return f"9{os.getpid()}{time.monotonic_ns() % 100000}"


def processes(marker: str) -> set[int]:
    """The processes with a ``sleep MARKER`` for their command."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", marker.encode()]:
            found.add(int(path.parent.name))
    return found


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Waits until it holds; AssertionError after half a minute."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def mounts_below(root: Path) -> list[str]:
    """Mount points below a directory, in the namespace of this process."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line.split()[4] for line in lines if line.split()[4].startswith(str(root))]


def started(builder: Minibuild, root: Path, marker: str, *options: str) -> subprocess.Popen[str]:
    """A build whose RUN is under way."""
    build = builder.start("build", *options, root)
    wait_for(lambda: len(processes(marker)) >= 2 or build.poll() is not None, "the RUN didn't start")
    assert build.poll() is None, build.communicate()[0]
    return build


def nothing_is_left(builder: Minibuild, marker: str) -> None:
    """Asserts that the sleeps end, and that nothing stays mounted."""
    wait_for(lambda: not processes(marker), f"still running: {processes(marker)}")
    assert mounts_below(builder.root) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_ctrl_c_ends_with_130_and_leaves_nothing(
    builder: Minibuild, project: Project, marker: str, runtime: str
) -> None:
    root = project(dockerfile(marker))
    build = started(builder, root, marker, "--runtime", runtime)
    os.killpg(build.pid, signal.SIGINT)
    output, _ = build.communicate(timeout=PATIENCE_S)
    assert build.returncode == 130, output
    assert "Traceback" not in output
    nothing_is_left(builder, marker)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_a_kill_leaves_nothing(
    builder: Minibuild, project: Project, marker: str, runtime: str, number: signal.Signals
) -> None:
    build = started(builder, project(dockerfile(marker)), marker, "--runtime", runtime)
    build.send_signal(number)
    build.communicate(timeout=PATIENCE_S)
    assert build.returncode != 0
    nothing_is_left(builder, marker)


def test_a_killed_step_is_not_taken_for_done(builder: Minibuild, project: Project, marker: str) -> None:
    build = started(builder, project(dockerfile(marker)), marker)
    build.kill()
    build.communicate()
    nothing_is_left(builder, marker)
    quick = project({"Dockerfile": dockerfile(marker)["Dockerfile"].replace(f"sleep {marker}", "sleep 0")})
    done = builder("build", "-t", "after", "--progress=plain", quick)
    assert done.returncode == 0, done.stderr
    assert not re.search(r"#\d+ CACHED", done.stderr)
    assert builder.succeed("run", "--rm", "after", "cat", "/ready") == "ready\n"
