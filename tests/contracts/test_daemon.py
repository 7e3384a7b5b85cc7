"""What runtimes promise of a process, held by a docker daemon's containers, whose trees are no directories."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from minibuild.build.daemon.container import container, run
from minibuild.build.daemon.furnishing import Furniture
from minibuild.build.daemon.session import Session, session
from minibuild.events import Stream
from minibuild.layers.entry import Entry, Kind
from minibuild.layers.tree import Tree
from minibuild.oci import Layer, Platform
from minibuild.runtimes.base import DEFAULT_CAPABILITIES, Cancellation, Limit, Process, Tmpfs
from minibuild.store import Store
from minibuild.transports.docker_daemon import connection
from tests.daemons import Dockerd
from tests.machine import require

pytestmark = pytest.mark.e2e

BUSYBOX = Path("/bin/busybox")
Lines: TypeAlias = list[tuple[Stream, str]]
Ran: TypeAlias = tuple[int, Lines]
Running: TypeAlias = Callable[..., Ran]


@pytest.fixture(scope="module")
def opened(dockerd: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session with the daemon."""
    require("busybox")
    environment = {**os.environ, "DOCKER_HOST": dockerd.host}
    with Store.at(tmp_path_factory.mktemp("daemon") / "store") as store, session(environment, store) as made:
        yield made


@pytest.fixture(scope="module")
def layer(opened: Session) -> Layer:
    """A tree of nothing but busybox."""
    links = [(Entry(f"bin/{name}", Kind.SYMLINK, 0o777, link="busybox"), None) for name in APPLETS]
    program = Entry("bin/busybox", Kind.FILE, 0o755, size=BUSYBOX.stat().st_size), lambda: BUSYBOX.open("rb")
    top = [(Entry("bin", Kind.DIRECTORY, 0o755), None), (Entry("tmp", Kind.DIRECTORY, 0o1777), None)]
    return opened.store.add_layer([*top, program, *links])


APPLETS = (
    *("awk", "cat", "chown", "env", "grep", "head", "hostname", "id", "ls", "seq", "sh", "sleep", "stat", "tail"),
    *("touch", "tr", "wc", "yes"),
)


@pytest.fixture
def running(opened: Session, layer: Layer) -> Running:
    """Runs words, with what else a process has, and answers the status and what was said."""

    def ran(*words: str, memory: tuple[Tmpfs, ...] = (), cancellation: Cancellation | None = None, **more: Any) -> Ran:
        lines: Lines = []
        process = Process(words, **{"environment": (("PATH", "/bin"),), **more})
        furniture = Furniture(Tree([(layer, opened.store.index(layer))], opened.store.open_tar))
        for one in memory:
            furniture.add_memory(one.target, one.size)
        with connection(opened.environment) as client:
            image = opened.image(client, [layer], Platform.of_this_machine())
            with container(client, opened, image, process, furniture) as made:
                status = run(
                    opened.environment,
                    made,
                    lambda line, stream: lines.append((stream, line)),
                    Cancellation() if cancellation is None else cancellation,
                )
        return status, lines

    return ran


@pytest.mark.parametrize("status", [0, 1, 7, 125, 255])
def test_a_status_is_the_programs_own(running: Running, status: int) -> None:
    assert running("sh", "-c", f"exit {status}") == (status, [])


@pytest.mark.parametrize(("name", "number"), [("KILL", 9), ("TERM", 15)])
def test_a_program_killed_by_a_signal_has_a_status_of_128_and_more(running: Running, name: str, number: int) -> None:
    assert running("sh", "-c", f"sh -c 'kill -{name} $$'; exit $?")[0] == 128 + number


@pytest.mark.parametrize(("program", "status"), [("nowhere", 127), ("/no/where", 127), ("/tmp", 126)])
def test_a_program_that_cannot_start_is_127_or_126_and_says_why(running: Running, program: str, status: int) -> None:
    got, [(stream, complaint)] = running(program)

    assert (got, stream, program in complaint) == (status, "stderr", True)


def test_streams_are_told_apart_in_their_order(running: Running) -> None:
    script = r"echo one; sleep 0.3; echo two >&2; sleep 0.3; printf 'a\377b\n10%%\r20%%\r\n\n'; printf three"

    lines = [("stdout", "one"), ("stderr", "two"), *(("stdout", line) for line in ("a�b", "10%\r20%\r", "", "three"))]
    assert running("sh", "-c", script) == (0, lines)


def test_much_output_on_both_streams_is_complete(running: Running) -> None:
    _, lines = running("sh", "-c", "(seq 50000 >&2) & seq 50000; wait")

    for stream in ("stdout", "stderr"):
        assert [line for of, line in lines if of == stream] == [str(n) for n in range(1, 50001)]


def test_standard_input_is_empty_and_what_is_left_running_does_not_hold_up_the_end(running: Running) -> None:
    began = time.monotonic()

    assert running("sh", "-c", "cat; sleep 60 & echo end") == (0, [("stdout", "end")])
    assert time.monotonic() - began < 30


def test_cancelling_kills_the_process_at_once(running: Running) -> None:
    cancellation = Cancellation()
    threading.Timer(1.5, cancellation.set).start()
    began = time.monotonic()

    assert running("sh", "-c", "trap '' TERM INT; sleep 600", cancellation=cancellation)[0] == 137
    assert time.monotonic() - began < 30


def test_a_cancelled_run_does_not_begin(running: Running) -> None:
    cancellation = Cancellation()
    cancellation.set()

    assert running("sh", "-c", "echo ran", cancellation=cancellation) == (137, [])


def test_the_environment_is_the_one_given_and_nothing_of_the_daemons(running: Running) -> None:
    _, lines = running("env", environment=(("PATH", "/bin"), ("HOME", "/"), ("A", "x y"), ("B", "")))

    assert sorted(line for _, line in lines) == ["A=x y", "B=", "HOME=/", "PATH=/bin"]


def test_a_user_has_its_groups_and_the_machine_its_name(running: Running) -> None:
    script = "id -u; id -g; grep ^Groups: /proc/self/status; hostname"

    _, lines = running("sh", "-c", script, uid=1000, gid=1001, groups=(1002, 70000), hostname="cradle")

    # The group itself is one of them, as docker has it.
    assert [line.split() for _, line in lines] == [["1000"], ["1001"], ["Groups:", "1001", "1002", "70000"], ["cradle"]]


def test_a_capability_that_is_left_out_is_not_there(running: Running) -> None:
    fewer = tuple(name for name in DEFAULT_CAPABILITIES if name != "CAP_CHOWN")

    assert running("sh", "-c", "touch /tmp/f; chown 5 /tmp/f", capabilities=fewer)[0] == 1


def test_limits_are_those_asked_for(running: Running) -> None:
    limits = (Limit("nofile", 64, 128), Limit("core", 0, 0))
    script = "awk '/open files|core file/ { print $(NF-2), $(NF-1) }' /proc/self/limits"

    _, lines = running("sh", "-c", script, limits=limits)

    assert sorted(line for _, line in lines) == ["0 0", "64 128"]


def test_a_tmpfs_is_empty_anybodys_and_no_bigger_than_it_says(running: Running) -> None:
    script = "ls -A /tmp; stat -c %a /tmp /new/small; head -c 100000 /dev/zero > /new/small/x; stat -c %s /new/small/x"

    _, lines = running("sh", "-c", script, memory=(Tmpfs("/tmp"), Tmpfs("/new/small", 64 << 10)), uid=1000)

    assert [line for stream, line in lines if stream == "stdout"] == ["1777", "1777", "65536"]
