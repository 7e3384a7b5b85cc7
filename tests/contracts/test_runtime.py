"""What every runtime promises. A new one is in here by its line in the table."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from minibuild.errors import ImageError, UnavailableError
from minibuild.events import Stream
from minibuild.runtimes.base import DEFAULT_CAPABILITIES, Cancellation, Limit, Mount, Process, Runtime, Tmpfs
from minibuild.runtimes.networks import NAMESERVER
from minibuild.runtimes.seccomp.profile import UNCONFINED, Profile, Rule
from minibuild.runtimes.table import ISOLATING, TABLE
from minibuild.sandbox import capabilities
from minibuild.snapshots.overlay import OverlaySnapshotter
from tests.isolation import isolated
from tests.machine import require
from tests.world import world

pytestmark = pytest.mark.e2e

BUSYBOX = "/bin/busybox"
ENVIRONMENT = (("PATH", "/bin"),)
DOCKER_CAPABILITIES = "00000000a80425fb"
# A command line that no other process of this machine has, another worker of the tests neither.
SLEEP = f"sleep {1_000_000 + os.getpid()}"


@cache
def reason(name: str) -> str | None:
    return TABLE[name].probe()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All runtimes for what all promise; those that isolate for the rest."""
    if "runtime" in metafunc.fixturenames:
        names = ISOLATING if metafunc.definition.get_closest_marker("isolating") else list(TABLE)
        metafunc.parametrize("runtime", names, indirect=True)


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> Runtime:
    require("busybox", root=True)
    # What is for machines without mounts has no use for this one, and works all the same.
    why = reason(request.param) if not TABLE[request.param].shortcomings else None
    if why:
        pytest.skip(f"{request.param}: {why}")
    return TABLE[request.param]()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of nothing but busybox: no /dev, no /proc, no /etc."""
    root = tmp_path / "tree"
    (root / "bin").mkdir(parents=True)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in subprocess.check_output([BUSYBOX, "--list"], text=True).split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")
    return root


@dataclass
class Heard:
    """What a process said, and when."""

    lines: list[tuple[Stream, str]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __call__(self, line: str, stream: Stream) -> None:
        self.lines.append((stream, line))
        self.times.append(time.monotonic())

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)


def run(runtime: Runtime, tree: Path, *arguments: str, **options: Any) -> tuple[int, Heard]:
    """Runs a process and answers its status and what it said."""
    heard = Heard()
    process = Process(arguments, **{"environment": ENVIRONMENT, **options})
    return runtime.run(process, tree, heard, Cancellation()), heard


def shell(runtime: Runtime, tree: Path, script: str, **options: Any) -> tuple[int, Heard]:
    return run(runtime, tree, "sh", "-c", script, **options)


def said(runtime: Runtime, tree: Path, script: str, **options: Any) -> str:
    """What a script that succeeds says."""
    status, heard = shell(runtime, tree, script, **options)
    assert status == 0, heard.text
    return heard.text


# --- status --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 7, 125, 255])
def test_a_status_is_the_programs_own(runtime: Runtime, tree: Path, status: int) -> None:
    assert shell(runtime, tree, f"exit {status}")[0] == status


@pytest.mark.parametrize(("name", "number"), [("KILL", 9), ("TERM", 15), ("ABRT", 6)])
def test_a_program_killed_by_a_signal_has_a_status_of_128_and_more(
    runtime: Runtime, tree: Path, name: str, number: int
) -> None:
    assert shell(runtime, tree, f"sh -c 'kill -{name} $$'; exit $?")[0] == 128 + number


def test_a_program_killed_after_others_have_ended_well_has_not(runtime: Runtime, tree: Path) -> None:
    if not runtime.shortcomings:
        pytest.skip("the first process of a pid namespace can't kill itself")

    assert shell(runtime, tree, "ls / > /dev/null; kill -9 $$")[0] == 137


REFUSED: list[tuple[str, int, str]] = [
    ("nowhere", 127, "nowhere: not found"),
    ("/no/where", 127, "/no/where: not found"),
    ("/tmp", 126, "/tmp: is a directory"),
    ("/tmp/plain", 126, "/tmp/plain: permission denied"),
    ("/tmp/garbage", 126, "/tmp/garbage: exec format error"),
    ("/tmp/script", 127, "/tmp/script: its interpreter /usr/bin/python9 is not in the image"),
    ("/tmp/dynamic", 127, "/tmp/dynamic: its loader /lib64/ld-linux-x86-64.so.2 is not in the image"),
    ("/tmp/foreign", 126, "/tmp/foreign: exec format error"),
    ("/tmp/ring", 127, "/tmp/ring: too many levels of symbolic links"),
]


@pytest.mark.parametrize(("program", "status", "complaint"), REFUSED, ids=[case[0] for case in REFUSED])
def test_a_program_that_cannot_start_is_127_or_126_and_says_why(
    runtime: Runtime, tree: Path, program: str, status: int, complaint: str
) -> None:
    refusable_programs(tree / "tmp")

    got, heard = run(runtime, tree, program)

    assert (got, [stream for stream, _ in heard.lines]) == (status, ["stderr"])
    assert complaint.partition(": ")[2] in heard.text.lower()


def refusable_programs(directory: Path) -> None:
    (directory / "plain").write_text("#!/bin/sh\n")
    (directory / "garbage").write_text("echo no interpreter named")
    (directory / "script").write_text("#!/usr/bin/python9 -u\n")
    shutil.copy("/usr/bin/setpriv", directory / "dynamic")
    foreign = bytearray(Path(BUSYBOX).read_bytes())
    foreign[18:20] = (0xFFFE).to_bytes(2, sys.byteorder)  # e_machine: none that there is
    (directory / "foreign").write_bytes(foreign)
    (directory / "ring").symlink_to("ring")
    for name in ("garbage", "script", "dynamic", "foreign"):
        (directory / name).chmod(0o755)


def test_path_is_searched_in_order_and_what_cannot_run_is_passed_over(runtime: Runtime, tree: Path) -> None:
    for directory in ("one", "two", "three"):
        (tree / directory).mkdir()
        (tree / directory / "tool").write_text(f"#!/bin/sh\necho {directory}\n")
    (tree / "two/tool").chmod(0o755)
    (tree / "three/tool").chmod(0o755)

    status, heard = run(runtime, tree, "tool", environment=(("PATH", "/none:/one:/two:/three:/bin"),))

    assert (status, heard.text) == (0, "two")


def test_a_relative_program_is_looked_for_in_the_directory(runtime: Runtime, tree: Path) -> None:
    (tree / "app").mkdir()
    (tree / "app/tool").write_text("#!/bin/sh\npwd\n")
    (tree / "app/tool").chmod(0o755)

    status, heard = run(runtime, tree, "./tool", directory="/app")

    assert (status, heard.text) == (0, "/app")


def test_a_user_who_may_not_execute_a_program_is_told(runtime: Runtime, tree: Path) -> None:
    shutil.copy(BUSYBOX, tree / "tmp/tool")
    (tree / "tmp/tool").chmod(0o700)

    assert run(runtime, tree, "/tmp/tool", uid=1000, gid=1000)[0] == 126


@pytest.mark.parametrize("directory", ["/missing", "/proc/self/fd/8", "/bin/busybox"])
def test_a_directory_that_is_not_in_the_image_is_an_error(runtime: Runtime, tree: Path, directory: str) -> None:
    with pytest.raises(ImageError, match=f"^directory {directory} is not in the image$"):
        run(runtime, tree, "sh", directory=directory)


# --- output --------------------------------------------------------------------------------------------------------


def test_lines_come_as_they_are_written_and_streams_are_told_apart(runtime: Runtime, tree: Path) -> None:
    _, heard = shell(runtime, tree, "echo one; sleep 0.6; echo two >&2; sleep 0.6; printf three")

    assert heard.lines == [("stdout", "one"), ("stderr", "two"), ("stdout", "three")]
    assert [later - earlier > 0.4 for earlier, later in zip(heard.times, heard.times[1:], strict=False)] == [True, True]


def test_bytes_that_are_no_text_and_carriage_returns_come_through(runtime: Runtime, tree: Path) -> None:
    _, heard = shell(runtime, tree, r"printf 'a\377b\n10%%\r20%%\r\n\303\251\n\n'")

    assert heard.lines == [("stdout", line) for line in ("a�b", "10%\r20%\r", "é", "")]


def test_a_line_without_end_is_cut_into_pieces_that_lose_nothing(runtime: Runtime, tree: Path) -> None:
    _, heard = shell(runtime, tree, "yes é | head -n 100000 | tr -d '\\n'")

    assert "".join(line for _, line in heard.lines) == "é" * 100000
    assert len(heard.lines) > 1


def test_much_output_on_both_streams_is_complete(runtime: Runtime, tree: Path) -> None:
    _, heard = shell(runtime, tree, "(seq 50000 >&2) & seq 50000; wait")

    for stream in ("stdout", "stderr"):
        assert [line for of, line in heard.lines if of == stream] == [str(n) for n in range(1, 50001)]


def test_standard_input_is_empty(runtime: Runtime, tree: Path) -> None:
    assert said(runtime, tree, "cat; echo end") == "end"


def test_what_is_left_running_does_not_hold_up_the_end(runtime: Runtime, tree: Path) -> None:
    began = time.monotonic()

    assert said(runtime, tree, "sleep 60 & echo started") == "started"
    assert time.monotonic() - began < 20


def test_an_error_in_who_listens_ends_the_process(runtime: Runtime, tree: Path) -> None:
    def fail(_line: str, _stream: Stream) -> None:
        raise BrokenPipeError

    process = Process(("sh", "-c", f"echo x; {SLEEP}"), ENVIRONMENT)
    with pytest.raises(BrokenPipeError):
        runtime.run(process, tree, fail, Cancellation())
    assert not running(SLEEP)


# --- stopping ------------------------------------------------------------------------------------------------------


def running(command: str) -> list[int]:
    """The processes whose command line is this, seen from this host."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            except OSError:
                continue
            if b" ".join(words).decode(errors="replace") == command:
                found.append(int(entry.name))
    return found


def waited_for(condition: Callable[[], object], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_cancelling_kills_the_process_and_its_children_at_once(runtime: Runtime, tree: Path) -> None:
    cancellation = Cancellation()
    began = time.monotonic()

    def cancel(_line: str, _stream: Stream) -> None:
        threading.Thread(target=cancellation.set).start()

    script = f"trap '' TERM INT; {SLEEP} & ({SLEEP} &) ; echo ready; {SLEEP}"
    status = runtime.run(Process(("sh", "-c", script), ENVIRONMENT), tree, cancel, cancellation)

    assert (status, running(SLEEP)) == (137, [])
    assert time.monotonic() - began < 10


def test_a_cancelled_run_does_not_begin(runtime: Runtime, tree: Path) -> None:
    cancellation = Cancellation()
    cancellation.set()

    process = Process(("sh", "-c", "sleep 5; touch /ran"), ENVIRONMENT)
    assert runtime.run(process, tree, Heard(), cancellation) == 137
    assert not (tree / "ran").exists()


DRIVER = """
import sys
from pathlib import Path
from minibuild.runtimes.base import Cancellation, Process
from minibuild.runtimes.table import TABLE
process = Process(("sh", "-c", sys.argv[3]), (("PATH", "/bin"),))
TABLE[sys.argv[1]]().run(process, Path(sys.argv[2]), lambda line, stream: print(line, flush=True), Cancellation())
"""


@pytest.fixture
def builder(runtime: Runtime, tree: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is running a container."""
    script = f"({SLEEP} &); echo ready; {SLEEP}"
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, runtime.name, tree, script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_nothing_outlives_a_killed_builder(runtime: Runtime, builder: subprocess.Popen[str], tree: Path) -> None:
    assert waited_for(lambda: len(running(SLEEP)) == 2)

    builder.send_signal(signal.SIGKILL)
    builder.wait()

    assert waited_for(lambda: not running(SLEEP))
    assert str(tree) not in Path("/proc/self/mountinfo").read_text()
    # What isn't a process may wait for the next start.
    shell(runtime, tree, "true")
    assert not list(Path("/sys/fs/cgroup").glob(f"*/minibuild-{builder.pid}-*"))


# --- who it is -----------------------------------------------------------------------------------------------------


@pytest.mark.isolating
def test_root_has_dockers_capabilities(runtime: Runtime, tree: Path) -> None:
    status = dict(
        line.split(":\t") for line in said(runtime, tree, "cat /proc/self/status").splitlines() if ":\t" in line
    )

    assert (status["CapEff"], status["CapPrm"]) == (DOCKER_CAPABILITIES, DOCKER_CAPABILITIES)
    if runtime.name != "bubblewrap":  # which puts no_new_privs in the place of a bounding set
        assert (status["CapBnd"], status["CapInh"], status["CapAmb"]) == (DOCKER_CAPABILITIES, "0" * 16, "0" * 16)
        assert status["NoNewPrivs"] == "0"


def test_a_capability_that_is_left_out_is_not_there(runtime: Runtime, tree: Path) -> None:
    fewer = tuple(name for name in DEFAULT_CAPABILITIES if name != "CAP_CHOWN")

    if runtime.name == "proot":
        with pytest.raises(UnavailableError, match="proot can give a RUN no other capabilities"):
            shell(runtime, tree, "true", capabilities=fewer)
        return
    status, _ = shell(runtime, tree, "touch /tmp/f; chown 5 /tmp/f", capabilities=fewer)

    assert status == 1


@pytest.mark.isolating
def test_another_user_has_its_groups_and_no_capabilities(runtime: Runtime, tree: Path) -> None:
    script = "id -u; id -g; grep -E '^(Groups|CapEff|CapPrm):' /proc/self/status"

    lines = said(runtime, tree, script, uid=1000, gid=1001, groups=(1002, 70000)).split()

    nothing = "0" * 16
    groups = ["1001", "1002", "70000"] if runtime.name == "podman" else ["1002", "70000"]  # the own one twice
    assert lines == ["1000", "1001", "Groups:", *groups, "CapPrm:", nothing, "CapEff:", nothing]


@pytest.mark.isolating
def test_none_of_our_groups_leak(runtime: Runtime, tree: Path) -> None:
    ours = os.getgroups()
    os.setgroups([*ours, 4242])
    try:
        groups = said(runtime, tree, "grep ^Groups: /proc/self/status").split()[1:]
    finally:
        os.setgroups(ours)

    assert groups == (["0"] if runtime.name == "podman" else [])


def test_files_are_made_with_the_usual_mask_and_owner(runtime: Runtime, tree: Path) -> None:
    before = os.umask(0o077)
    try:
        said(runtime, tree, "touch /tmp/file", uid=1000, gid=1001)
    finally:
        os.umask(before)

    made = (tree / "tmp/file").stat()
    owner = (os.geteuid(), os.getegid()) if runtime.name == "proot" else (1000, 1001)
    assert (oct(made.st_mode), made.st_uid, made.st_gid) == (oct(0o100644), *owner)


def test_the_environment_is_the_one_given_and_nothing_of_ours(runtime: Runtime, tree: Path) -> None:
    os.environ["MINIBUILD_TEST_SECRET"] = "leak"
    try:
        lines = said(runtime, tree, "env", environment=(*ENVIRONMENT, ("A", "x y"), ("B", ""))).splitlines()
    finally:
        del os.environ["MINIBUILD_TEST_SECRET"]

    # What a shell adds itself, and the name crun and bubblewrap give the directory.
    given = {line for line in lines if not line.startswith(("SHLVL=", "PWD=", "HOME=/", "OLDPWD="))}
    assert given - {"HOSTNAME=minibuild"} == {"PATH=/bin", "A=x y", "B="}
    assert runtime.name == "podman" or "HOSTNAME=minibuild" not in given


def test_no_descriptor_of_ours_leaks(runtime: Runtime, tree: Path) -> None:
    inner, outer = os.pipe()
    os.set_inheritable(outer, True)
    try:
        script = "n=3; while [ $n -lt 64 ]; do [ ! -e /proc/$$/fd/$n ] || echo $n; n=$((n+1)); done"
        descriptors = said(runtime, tree, script).split()
    finally:
        os.close(inner)
        os.close(outer)

    assert descriptors in ([], ["10"])  # 10 is the shell's own


# --- what it sees --------------------------------------------------------------------------------------------------


@pytest.mark.isolating
def test_a_process_has_a_pid_namespace_and_a_host_name_of_its_own(runtime: Runtime, tree: Path) -> None:
    lines = said(runtime, tree, "hostname; ls -d /proc/[0-9]* | wc -l", hostname="cradle").splitlines()

    assert lines[0] == "cradle"
    assert int(lines[1]) <= 5
    assert os.uname().nodename != "cradle"


@pytest.mark.isolating
def test_dev_has_what_programs_expect(runtime: Runtime, tree: Path) -> None:
    script = """
    echo x > /dev/null && head -c 2 /dev/zero | wc -c && head -c 3 /dev/urandom | wc -c && head -c 1 /dev/random | wc -c
    [ -c /dev/full ] && [ -c /dev/tty ] && [ -c /dev/ptmx ] && [ -d /dev/pts ] && [ -d /dev/mqueue ] && echo nodes
    echo shared > /dev/shm/x && cat /dev/shm/x && echo out > /dev/stdout && echo err > /dev/stderr; readlink /dev/fd
    """

    _, heard = shell(runtime, tree, script)

    out = "".join(f"{line.strip()} " for stream, line in heard.lines if stream == "stdout")
    assert (out, heard.lines.count(("stderr", "err"))) == ("2 3 1 nodes shared out /proc/self/fd ", 1)


@pytest.mark.isolating
@pytest.mark.parametrize(
    "script",
    ["echo 1 > /proc/sys/vm/swappiness", "echo h > /proc/sysrq-trigger", "mkdir /sys/x", "mount -t tmpfs x /tmp"],
)
def test_the_hosts_settings_cannot_be_changed(runtime: Runtime, tree: Path, script: str) -> None:
    assert shell(runtime, tree, script)[0] != 0


@pytest.mark.isolating
def test_the_hosts_memory_and_keys_cannot_be_read(runtime: Runtime, tree: Path) -> None:
    script = (
        "for f in kcore keys timer_list sched_debug; do cat /proc/$f 2>/dev/null; done; ls -A /proc/acpi /sys/firmware"
    )

    assert [
        line for line in shell(runtime, tree, script)[1].text.splitlines() if not line.startswith(("ls:", "/", ""))
    ] == []
    assert said(runtime, tree, "cat /proc/keys 2> /dev/null | wc -c") == "0"


@pytest.mark.isolating
@pytest.mark.parametrize("place", ["/", "/tmp", "/dev", "/dev/shm"])
def test_no_device_that_a_program_makes_can_be_opened(runtime: Runtime, tree: Path, place: str) -> None:
    script = f"mknod {place}/nul c 1 5 && echo made; head -c 1 {place}/nul"

    status, heard = shell(runtime, tree, script)

    assert status != 0
    assert ("stdout", "made") in heard.lines
    assert "ermission denied" in heard.text


@pytest.mark.isolating
def test_the_tree_is_the_root_of_all_that_can_be_reached(runtime: Runtime, tree: Path) -> None:
    """Not of the process alone, as chroot(2) would have it: who has CAP_SYS_CHROOT leaves such a root."""
    seen: list[str] = []

    def look(_line: str, _stream: Stream) -> None:
        assert waited_for(lambda: running(SLEEP))
        pid = str(running(SLEEP)[0])
        seen.extend(subprocess.check_output(["nsenter", "-t", pid, "-m", "/bin/ls", "/"], text=True).split())
        cancellation.set()

    cancellation = Cancellation()
    process = Process(("sh", "-c", f"({SLEEP} &); echo ready; {SLEEP}"), ENVIRONMENT)
    runtime.run(process, tree, look, cancellation)

    covered = {"etc", "run"} if runtime.name == "podman" else set()  # of what it writes to trees
    assert set(seen) == {"bin", "dev", "proc", "sys", "tmp"} | covered


# --- mounts, network, traces ---------------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A file and a directory of the host, to be bound."""
    (tmp_path / "sources/directory").mkdir(parents=True)
    (tmp_path / "sources/file").write_text("of the host\n")
    (tmp_path / "sources/directory/inside").write_text("inside\n")
    return tmp_path / "sources"


def test_files_and_directories_are_bound_where_nothing_was(runtime: Runtime, tree: Path, sources: Path) -> None:
    mounts = (
        Mount(sources / "file", "/etc/resolv.conf"),
        Mount(sources / "file", "/dev/pipes/EOF"),
        Mount(sources / "directory", "/run/deep/place"),
        Mount(sources / "directory", "/dev/.minibuild/place"),
    )

    script = "cat /etc/resolv.conf /dev/pipes/EOF /run/deep/place/inside /dev/.minibuild/place/inside"

    assert said(runtime, tree, script, mounts=mounts).split("\n") == ["of the host"] * 2 + ["inside"] * 2


def test_another_user_reads_what_is_bound(runtime: Runtime, tree: Path, sources: Path) -> None:
    sources.chmod(0o700)

    mounts = (Mount(sources / "file", "/file"),)

    assert said(runtime, tree, "cat /file", mounts=mounts, uid=1000, gid=1000) == "of the host"


@pytest.mark.isolating
def test_a_bind_is_read_only_unless_it_says_otherwise(runtime: Runtime, tree: Path, sources: Path) -> None:
    mounts = (
        Mount(sources / "file", "/ro"),
        Mount(sources / "directory", "/rodir"),
        Mount(sources / "directory", "/rw", read_only=False),
    )

    _, heard = shell(runtime, tree, "echo x > /ro; touch /rodir/x; touch /rw/new && echo written", mounts=mounts)

    assert [line for stream, line in heard.lines if stream == "stdout"] == ["written"]
    assert heard.text.count("Read-only file system") == 2
    assert sorted(os.listdir(sources / "directory")) == ["inside", "new"]


def test_a_link_of_the_image_leads_a_bind_to_its_place_inside(runtime: Runtime, tree: Path, sources: Path) -> None:
    (tree / "etc").mkdir()
    (tree / "etc/resolv.conf").symlink_to("../run/systemd/resolv.conf")
    (tree / "escape").symlink_to("/")
    mounts = (Mount(sources / "file", "/etc/resolv.conf"), Mount(sources / "file", "/escape/../../in/here"))

    assert said(runtime, tree, "cat /run/systemd/resolv.conf /in/here", mounts=mounts) == "of the host\nof the host"
    assert not (tree / "run").exists()


@pytest.mark.isolating
def test_a_tmpfs_is_empty_anybodys_and_no_bigger_than_it_says(runtime: Runtime, tree: Path) -> None:
    (tree / "tmp/of-the-image").touch()
    mounts = (Tmpfs("/tmp"), Tmpfs("/new/small", 64 << 10))
    script = "ls -A /tmp; stat -c %a /tmp /new/small; touch /tmp/x; head -c 100000 /dev/zero > /new/small/x; "
    script += "stat -c %s /new/small/x"

    status, heard = shell(runtime, tree, script, mounts=mounts, uid=1000, gid=1000)

    assert (status, [line for stream, line in heard.lines if stream == "stdout"]) == (0, ["1777", "1777", "65536"])
    assert sorted(os.listdir(tree)) == ["bin", "tmp"]
    assert os.listdir(tree / "tmp") == ["of-the-image"]


def test_mounts_stand_in_one_another_whatever_their_order(runtime: Runtime, tree: Path, sources: Path) -> None:
    (tree / "link").symlink_to("outer/memory")
    mounts = (
        Mount(sources / "file", "/outer/memory/deep/file"),
        Mount(sources / "file", "/outer/new"),
        Mount(sources / "directory", "/link/directory"),
        Tmpfs("/outer/memory"),
        Mount(sources, "/outer", read_only=False),
    )
    script = "cat /outer/memory/deep/file /outer/new /outer/memory/directory/inside /outer/file; ls /outer"

    lines = said(runtime, tree, script, mounts=mounts).split()

    assert " ".join(lines) == "of the host of the host inside of the host directory file memory new"
    assert sorted(os.listdir(sources)) == ["directory", "file"]
    assert sorted(os.listdir(tree)) == ["bin", "link", "tmp"]


def test_a_link_in_what_is_bound_leads_a_mount_within_to_its_place_there(
    runtime: Runtime, tree: Path, sources: Path
) -> None:
    (sources / "escape").symlink_to("/")
    mounts = (Mount(sources, "/outer", read_only=False), Mount(sources / "file", "/outer/escape/etc/file"))

    assert said(runtime, tree, "cat /outer/etc/file", mounts=mounts) == "of the host"
    assert sorted(os.listdir(sources)) == ["directory", "escape", "file"]


@pytest.mark.isolating
def test_a_socket_can_be_bound(runtime: Runtime, tree: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, short_path(tmp_path) as directory:
        server.bind(f"{directory}/socket")

        script = "test -S /run/agent/0 && echo a socket"
        mounts = (Mount(tmp_path / "socket", "/run/agent/0"),)
        assert said(runtime, tree, script, mounts=mounts) == "a socket"


@contextmanager
def short_path(directory: Path) -> Iterator[str]:
    """A name of a directory that is short enough for a socket's."""
    descriptor = os.open(directory, os.O_PATH)
    yield f"/proc/self/fd/{descriptor}"
    os.close(descriptor)


# --- limits, privileges --------------------------------------------------------------------------------------------


@pytest.mark.isolating
def test_shared_memory_has_the_size_that_is_asked_for(runtime: Runtime, tree: Path) -> None:
    size = "df -k /dev/shm | awk 'NR == 2 { print $2 }'"
    assert said(runtime, tree, size) == "65536"
    assert said(runtime, tree, size, shm_size=8 << 20) == "8192"
    assert said(runtime, tree, "stat -c %a /dev/shm; echo x > /dev/shm/x", uid=1000) == "1777"


@pytest.mark.isolating
@pytest.mark.parametrize("uid", [0, 1000])
def test_limits_are_those_asked_for(runtime: Runtime, tree: Path, uid: int) -> None:
    limits = (Limit("nofile", 64, 128), Limit("core", 0, 0), Limit("stack", 1 << 20, -1), Limit("cpu", 70, 80))
    script = "awk '/open files|core file|stack size|cpu time/ { print $(NF-2), $(NF-1) }' /proc/self/limits"

    lines = said(runtime, tree, script, limits=limits, uid=uid).split("\n")

    assert sorted(lines) == ["0 0", "1048576 unlimited", "64 128", "70 80"]


def test_a_limit_that_the_machine_cannot_give_is_an_error_that_says_how_much_it_can(
    runtime: Runtime, tree: Path
) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    with pytest.raises(UnavailableError, match=f"the limit nofile can't be 4000000000: .* is {hard}"):
        shell(runtime, tree, "true", limits=(Limit("nofile", 10, 4_000_000_000),))


def test_memory_is_limited_where_there_are_cgroups(runtime: Runtime, tree: Path) -> None:
    script = "head -c 100m /dev/zero | tail | wc -c"
    if not runtime.has_cgroups:
        with pytest.raises(UnavailableError, match=f"{runtime.name} makes no cgroup"):
            shell(runtime, tree, script, memory=32 << 20)
        return

    _, heard = shell(runtime, tree, f"{script}; exit 0", memory=32 << 20, processors=0.5)

    assert ("stdout", str(100 << 20)) not in heard.lines
    assert said(runtime, tree, script, memory=512 << 20) == str(100 << 20)


@pytest.mark.isolating
def test_the_privileged_may_do_what_we_may(runtime: Runtime, tree: Path) -> None:
    options = {"privileged": True, "capabilities": capabilities.ours()}
    script = "mount -t tmpfs x /tmp && touch /tmp/x && awk '/CapEff/ { print $2 }' /proc/self/status"

    [ours] = re.findall(r"CapBnd:\s*(\w+)", Path("/proc/self/status").read_text())
    assert said(runtime, tree, script, **options) == ours
    assert said(runtime, tree, "cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness; echo done", **options) == "done"
    assert said(runtime, tree, "head -c 3 /dev/zero | wc -c; test -c /dev/ptmx; ls /dev/shm", **options) == "3"
    devices = {name for name in os.listdir("/dev") if stat.S_ISBLK(os.lstat(f"/dev/{name}").st_mode)}
    assert devices <= set(said(runtime, tree, "ls /dev", **options).split())


@pytest.mark.isolating
@pytest.mark.parametrize("uid", [0, 1000])
def test_calls_that_dockers_profile_forbids_are_refused_unless_nothing_is(
    runtime: Runtime, tree: Path, uid: int
) -> None:
    script = "unshare -U true; echo $?; awk '/^Seccomp:/ { print $2 }' /proc/self/status"

    _, heard = shell(runtime, tree, script, uid=uid)

    assert "Operation not permitted" in heard.text
    assert [line for stream, line in heard.lines if stream == "stdout"] == ["1", "2"]
    assert said(runtime, tree, script, uid=uid, seccomp=UNCONFINED).split() == ["0", "0"]


@pytest.mark.isolating
@pytest.mark.parametrize("uid", [0, 1000])
def test_a_profile_says_which_calls_fail_and_how(runtime: Runtime, tree: Path, uid: int) -> None:
    profile = Profile("SCMP_ACT_ALLOW", (Rule(("mkdir", "mkdirat"), "SCMP_ACT_ERRNO", errno.EDQUOT),))

    status, heard = shell(runtime, tree, "echo before; mkdir /tmp/x", seccomp=profile, uid=uid)

    # Which of two streams is heard first, nobody can say.
    complaint, said_before = sorted(heard.lines)
    assert (status, said_before) == (1, ("stdout", "before"))
    assert complaint[1].endswith(os.strerror(errno.EDQUOT))


@pytest.mark.isolating
def test_a_process_gains_privileges_by_setuid_unless_it_is_not_to(runtime: Runtime, tree: Path) -> None:
    script = "awk '/^NoNewPrivs:/ { print $2 }' /proc/self/status"

    assert said(runtime, tree, script, uid=1000, no_new_privileges=True) == "1"
    assert said(runtime, tree, script, no_new_privileges=True, seccomp=UNCONFINED) == "1"
    if runtime.name != "bubblewrap":  # which has it no other way
        assert said(runtime, tree, script) == "0"


@pytest.mark.parametrize("name", [name for name in TABLE if name not in ISOLATING])
def test_what_cannot_filter_calls_refuses_a_profile(name: str, tree: Path) -> None:
    with pytest.raises(UnavailableError, match=f"^{name} takes neither a seccomp profile"):
        shell(TABLE[name](), tree, "true", seccomp=Profile("SCMP_ACT_LOG"))


@pytest.mark.parametrize("name", ["dev", "proc", "sys"])
def test_a_tree_whose_own_directories_are_links_is_refused(runtime: Runtime, tree: Path, name: str) -> None:
    (tree / "etc").mkdir()
    (tree / name).symlink_to("/etc")

    with pytest.raises(ImageError, match=f"^/{name} of the image is no directory"):
        shell(runtime, tree, "true")


@pytest.mark.isolating
def test_without_a_network_there_is_loopback_and_nothing_else(runtime: Runtime, tree: Path) -> None:
    script = "tail -n +3 /proc/net/dev | sed 's/:.*//'; ping -c 1 -W 1 127.0.0.1 > /dev/null && echo up"

    assert said(runtime, tree, script, network="none").split() == ["lo", "up"]


@pytest.mark.isolating
@pytest.mark.parametrize("carrier", ["slirp4netns", "pasta"])
@isolated
def test_a_private_network_reaches_out_and_not_to_this_machines_loopback(
    runtime: Runtime, tree: Path, tmp_path: Path, carrier: str
) -> None:
    require("ip", carrier)
    (tmp_path / "resolv.conf").write_text(f"nameserver {NAMESERVER}\n")
    resolv_conf = Mount(tmp_path / "resolv.conf", "/etc/resolv.conf")
    with world(tmp_path) as there:
        port = there.beyond.partition(":")[2]
        fetching = [f"timeout 1 wget -q -O - http://{place} 2> /dev/null" for place in there.forbidden]
        script = f"wget -q -O - http://a.example:{port} | cut -c 1-5; ls /sys/class/net; {' & '.join(fetching)} & wait"

        heard = said(runtime, tree, script, network=carrier, mounts=(resolv_conf,)).split()

    # One takes the name of the interface that this machine goes out by.
    assert heard == ["hello", "lo", {"slirp4netns": "tap0", "pasta": "out0"}[carrier]]


@pytest.mark.isolating
@isolated
def test_private_networks_are_apart_from_one_another_and_end_with_their_containers(
    runtime: Runtime, tree: Path, tmp_path: Path
) -> None:
    require("ip", "slirp4netns")
    shutil.copytree(tree, tmp_path / "other", symlinks=True)
    (tmp_path / "shared").mkdir()
    options = {"network": "private", "mounts": (Mount(tmp_path / "shared", "/shared", read_only=False),)}
    serving = "nc -l -p 5555 & until grep :15B3 /proc/net/tcp*; do :; done; touch /shared/is-serving; "
    serving += "until test -e /shared/has-asked; do sleep 0.05; done"
    asking = (
        "until test -e /shared/is-serving; do sleep 0.05; done; nc -w 1 127.0.0.1 5555 2> /dev/null && echo joined; "
    )
    asking += "wget -q -O - http://{} | cut -c 1-5; touch /shared/has-asked"
    with world(tmp_path) as there:
        thread = threading.Thread(target=shell, args=(runtime, tree, serving), kwargs=options)
        thread.start()
        heard = said(runtime, tmp_path / "other", asking.format(there.beyond), **options)
        thread.join()

        assert (heard, there.carriers()) == ("hello", [])


@pytest.mark.isolating
def test_the_hosts_network_is_the_hosts(runtime: Runtime, tree: Path) -> None:
    assert said(runtime, tree, "readlink /proc/self/ns/net") == os.readlink("/proc/self/ns/net")


def listing(tree: Path) -> list[tuple[str, int, int]]:
    return [(str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in sorted([tree, *tree.rglob("*")])]


@pytest.mark.parametrize("script", ["true", "false", "kill -9 $$", "no-such-program"])
def test_a_run_leaves_nothing_in_the_tree(runtime: Runtime, tree: Path, sources: Path, script: str) -> None:
    (tree / "var").mkdir()
    before = listing(tree)
    targets = ("/etc/resolv.conf", "/etc/hosts", "/var/run/secrets/key", "/dev/pipes/EOF")

    shell(runtime, tree, script, mounts=tuple(Mount(sources / "file", target) for target in targets))

    assert listing(tree) == before


@pytest.mark.isolating
@isolated
def test_a_run_in_a_workspace_leaves_nothing_in_the_layer(runtime: Runtime, tree: Path, tmp_path: Path) -> None:
    snapshotter = OverlaySnapshotter.open(tmp_path / "trees")
    with snapshotter.workspace(None) as workspace:
        shutil.copytree(tree, workspace.root, symlinks=True, dirs_exist_ok=True)
        workspace.commit("base")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost")
    mounts = tuple(Mount(tmp_path / "hosts", target) for target in ("/etc/hosts", "/bin/deep/down/secret"))

    with snapshotter.workspace("base") as workspace:
        shell(runtime, workspace.root, "cat /etc/hosts", mounts=mounts)
        idle = list(workspace.commit("idle").changes())
    with snapshotter.workspace("base") as workspace:
        shell(runtime, workspace.root, "echo x > /etc/passwd", mounts=mounts)
        busy = [(entry.path, oct(entry.mode)) for entry, _ in workspace.commit("busy").changes()]

    assert (idle, busy) == ([], [("etc", "0o755"), ("etc/passwd", "0o644")])


def test_many_runs_at_once_do_not_disturb_each_other(runtime: Runtime, tree: Path, tmp_path: Path) -> None:
    def work(number: int) -> None:
        root = tmp_path / f"tree-{number}"
        shutil.copytree(tree, root, symlinks=True)
        for _ in range(5):
            results.append(shell(runtime, root, f"echo {number}; exit {number}", uid=number)[1].lines)

    results: list[list[tuple[Stream, str]]] = []
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == sorted([[("stdout", str(number))] for number in range(4)] * 5)


def test_an_interactive_process_has_our_streams(runtime: Runtime, tree: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from minibuild.runtimes.table import TABLE\n"
        "from minibuild.runtimes.base import Cancellation, Process\n"
        "process = Process(('sh', '-c', 'read x; echo got $x; echo bad >&2; exit 9'), (('PATH', '/bin'),),"
        " interactive=True)\n"
        "sys.exit(TABLE[sys.argv[1]]().run(process, Path(sys.argv[2]), print, Cancellation()))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, runtime.name, tree], input="word\n", capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (9, "got word\n", "bad\n")
