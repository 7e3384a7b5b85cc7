"""What podman is told: all that a process says, and nothing of it where others can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.runtimes.base import Cancellation, Mount, Process
from minibuild.runtimes.podman import PodmanRuntime
from tests.contracts.test_runtime import said, tree
from tests.machine import require

pytestmark = pytest.mark.e2e
__all__ = ["tree"]


@pytest.fixture
def podman() -> PodmanRuntime:
    require("podman", "busybox", root=True)
    if reason := PodmanRuntime.probe():
        pytest.skip(f"podman: {reason}")
    return PodmanRuntime()


@pytest.mark.parametrize("value", ["two\nlines", 'quo"ted \\ $x', "é\u2028", "\x7f\x01", ""])
def test_a_variable_comes_through_as_it_is(podman: PodmanRuntime, tree: Path, value: str) -> None:
    assert said(podman, tree, 'printf %s "$A"', environment=(("PATH", "/bin"), ("A", value))) == value


def test_no_command_line_tells_a_variable(podman: PodmanRuntime, tree: Path) -> None:
    told = []

    def look(_line: str, _stream: str) -> None:
        told.extend(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists())

    process = Process(("sh", "-c", "echo ready; sleep 0.2"), (("PATH", "/bin"), ("A", "hidden")))
    podman.run(process, tree, look, Cancellation())

    assert any(b"podman" in line for line in told)
    assert not any(b"hidden" in line for line in told)


def test_a_name_with_commas_and_quotes_is_mounted_below_dev(podman: PodmanRuntime, tree: Path, tmp_path: Path) -> None:
    source = tmp_path / 'a,b="c"'
    source.write_text("found")

    assert said(podman, tree, "cat '/dev/x,y/\"z'", mounts=(Mount(source, '/dev/x,y/"z'),)) == "found"


def test_nothing_of_it_is_left_where_podman_and_its_runtimes_keep_containers(podman: PodmanRuntime, tree: Path) -> None:
    def kept() -> set[Path]:
        places = ("/run/runc", "/run/crun", "/run/libpod", "/var/lib/containers/storage/overlay-containers")
        return {path for place in places for path in Path(place).glob("*")}

    before = kept()
    said(podman, tree, "true")

    assert kept() == before
