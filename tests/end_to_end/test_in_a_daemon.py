"""RUN in a docker daemon's containers: the image is the one that this machine makes, and nothing stays there."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from minibuild.layers.entry import Entry
from minibuild.oci import Platform, Reference
from minibuild.store import Store
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.machine import require
from tests.servers.certificates import Authority

pytestmark = pytest.mark.e2e

# What the changes below are made to; all of it is old.
BASE = r"""
mkdir -p d/sub e empty; echo f > d/f; echo g > d/g; echo x > d/sub/x; echo y > e/y; echo top > top
ln -s top link; ln -s /etc away; ln d/f d/hard; find . -exec touch -h -d @1000 {} +
"""

CHANGES = {
    "nothing": "true",
    "a file is read": "cat d/f",
    "a file is written": "echo G > d/g",
    "a mode changes": "chmod 4755 top; chmod 700 empty",
    "an owner changes": "chown 5:6 top; chown -h 7:8 link",
    "times change": "touch -d @5 top empty",
    "a file is added": "echo new > d/sub/new",
    "things are deleted": "rm d/g link",
    "a directory is deleted": "rm -r d",
    "a directory is made anew": "rm -r d; mkdir -p d/sub; echo n > d/new; echo z > d/sub/z",
    "a file becomes a directory": "rm top; mkdir top; echo i > top/inside",
    "a directory becomes a file": "rm -r d; echo d > d",
    "a directory becomes a link": "rm -r d; ln -s e d",
    "a link becomes a directory": "rm away; mkdir away; echo h > away/hosts",
    "a directory is renamed": "mv e moved",
    "something is made and deleted": "echo > gone; rm gone; touch -h -d @1000 .",
    "all is as before in the end": "touch empty/x; rm empty/x; touch -d @1000 empty",
    "an old file has a new name": "ln top alias",
    "one of two names goes": "rm d/hard",
    "two names at once": "echo a > a; ln a b",
    "special files": "ln -s /no/where dangling; mkfifo fifo; mknod null c 1 3; mknod disk b 7 30",
    "odd names": r"mkdir -- -rf π; touch 'a b'; touch $(printf 'x%.0s' $(seq 250)); touch $(printf 'latin-\351')",
    "a deep tree": "mkdir -p 1/2/3/4; echo 5 > 1/2/3/4/5; chmod 711 1/2",
}

MOUNTS = """\
FROM busybox AS other
RUN mkdir /out && echo o > /out/o && chown 5:6 /out/o && ln /out/o /out/p
FROM busybox
RUN mkdir -p /app/old && touch /app/hidden
RUN --mount=type=bind,target=/app --mount=type=bind,from=other,source=/out,target=/run/deep/out,rw \\
    --mount=type=bind,source=file,target=/etc/conf/file <<EOF
set -e
ls /app /run/deep/out; cat /etc/conf/file; stat -c '%u:%g %h' /run/deep/out/p
touch /run/deep/out/w; touch /app/x || echo read-only
EOF
RUN --mount=type=secret,id=s,target=/root/.npmrc --mount=type=secret,id=s,env=TOKEN \\
    cat /root/.npmrc && echo $TOKEN && stat -c '%a %u' /root/.npmrc
RUN --mount=type=tmpfs,target=/tmp/memory,size=65536 ls -A /tmp/memory; touch /tmp/memory/x
RUN --network=none tail -n +3 /proc/net/dev | sed 's/:.*//'
USER 1000:1001
WORKDIR /home/own
RUN id -u; id -g; pwd; touch /tmp/owned; echo $HOME; exit 0
"""


@pytest.fixture
def machine(minibuild: Minibuild, dockerd: Dockerd, registry: Registry, busybox_base: BaseImage) -> Minibuild:
    """minibuild with a daemon at hand, and ``busybox`` in a registry."""
    del busybox_base
    require("crun", root=True)
    return minibuild.with_mirror(registry).with_variables(DOCKER_HOST=dockerd.host)


@pytest.fixture
def leftovers(dockerd: Dockerd) -> Callable[[], list[str]]:
    """Lists what sessions have in the daemon."""

    def found() -> list[str]:
        chosen = ("--filter", "label=minibuild.session", "--quiet")
        listed = (("ps", "--all"), ("images", "--all"), ("volume", "ls"))
        return [line for words in listed for line in dockerd.run(*words, *chosen).stdout.split()]

    return found


def entries(store: Path, tag: str) -> list[list[Entry]]:
    """The tables of an image's layers, but for times that say when the test ran."""
    with Store.at(store) as opened:
        image = opened.resolve(Reference.parse(tag), Platform.of_this_machine())
        tables = [opened.index(layer).entries for layer in image.layers]
    return [[timeless(entry) for entry in table] for table in tables]


def timeless(entry: Entry) -> Entry:
    return entry._replace(mtime=0, offset=0) if entry.mtime > 1_700_000_000 else entry._replace(offset=0)


def built_both_ways(machine: Minibuild, directory: Path, *options: str) -> list[tuple[list[list[Entry]], list[str]]]:
    """What a daemon makes of a directory's Dockerfile, and what this machine does: layers, and what was said."""
    made = []
    for runtime in ("docker", "crun"):
        own = machine.at(machine.root / runtime)
        done = own("build", "--runtime", runtime, "--progress=plain", "-t", "app", *options, directory)
        assert done.returncode == 0, done.stderr
        said = re.findall(r"^#\d+ \d+\.\d+ (.*)$", done.stderr, re.MULTILINE)
        made.append((entries(own.root, "app"), sorted(said)))
    return made


def test_every_change_gives_the_layer_that_this_machine_gives(machine: Minibuild, tmp_path: Path) -> None:
    lines = ["FROM busybox"]
    for number, change in enumerate(CHANGES.values()):
        lines += [f"RUN <<E\nmkdir -p /c{number}; cd /c{number}; {BASE}\nE", f"RUN <<E\ncd /c{number}; {change}\nE"]
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("\n".join(lines) + "\n")

    (there, _), (here, _) = built_both_ways(machine, tmp_path / "context")

    assert len(here) > len(CHANGES)
    assert there == here


def test_mounts_users_and_networks_are_those_of_this_machine(
    machine: Minibuild, tmp_path: Path, leftovers: Callable[[], list[str]]
) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text(MOUNTS)
    (tmp_path / "context/file").write_text("of the context\n")
    (tmp_path / "secret").write_text("classified")

    there, here = built_both_ways(machine, tmp_path / "context", "--secret", f"id=s,src={tmp_path}/secret")

    assert there == here
    assert leftovers() == []
    assert "classified" not in "".join(there[1])


def test_a_cache_mount_stays_in_the_daemon_and_nowhere_else(
    machine: Minibuild, dockerd: Dockerd, tmp_path: Path
) -> None:
    mount = "--mount=type=cache,target=/cache/deep,uid=7,mode=700,id=own"
    (tmp_path / "Dockerfile").write_text(
        f"FROM busybox\nARG N\nRUN {mount} stat -c '%u %a' /cache/deep; cat /cache/deep/*; echo $N > /cache/deep/$N\n"
    )
    said = []
    for number in ("1", "2"):
        words = ("--progress=plain", "--build-arg", f"N={number}", "-t", f"app:{number}")
        said.append(machine("build", "--runtime", "docker", *words, tmp_path).stderr)
    volumes = dockerd.run("volume", "ls", "--quiet", "--filter", "label=minibuild.cache=own").stdout.split()
    dockerd.run("volume", "rm", *volumes)

    assert [" 7 700\n" in text for text in said] == [True, True]
    assert [" 1\n" in text for text in said] == [False, True]
    assert len(volumes) == 1
    assert [entries(machine.root, f"app:{number}")[-1] for number in (1, 2)] == [[], []]


def test_a_failure_says_what_the_command_said_and_leaves_nothing(
    machine: Minibuild, tmp_path: Path, leftovers: Callable[[], list[str]]
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo oops >&2; exit 7\n")

    done = machine("build", "--runtime", "docker", tmp_path)

    assert done.returncode == 5
    assert "oops" in done.stderr
    assert "error: RUN ended with status 7: echo oops >&2; exit 7\n" in done.stderr
    assert leftovers() == []


def started(machine: Minibuild, directory: Path) -> subprocess.Popen[str]:
    """A build whose RUN runs."""
    (directory / "Dockerfile").write_text("FROM busybox\nRUN echo it runs; sleep 600\n")
    process = machine.start("build", "--runtime", "docker", "--progress=plain", directory)
    assert process.stdout
    assert any(line.endswith("it runs\n") and "echo" not in line for line in process.stdout)
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_stopped_or_killed_leaves_nothing(
    machine: Minibuild, tmp_path: Path, leftovers: Callable[[], list[str]], number: signal.Signals
) -> None:
    with started(machine, tmp_path) as process:
        assert len(leftovers()) == 2

        process.send_signal(number)
        process.wait(30)

    deadline = time.monotonic() + 30
    while leftovers() and time.monotonic() < deadline:
        pass
    assert leftovers() == []


def test_what_nobody_cleared_up_the_next_build_does(
    machine: Minibuild, tmp_path: Path, leftovers: Callable[[], list[str]]
) -> None:
    with started(machine, tmp_path) as process:
        [session] = [path.name for path in (machine.root / "daemon").iterdir() if path.is_dir()]
        [watch] = subprocess.check_output(["pgrep", "-f", f"clearing {session}"], text=True).split()
        os.kill(int(watch), signal.SIGKILL)
        process.kill()
    left = leftovers()
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN true\n")

    machine.succeed("build", "--runtime", "docker", tmp_path)

    assert (len(left), leftovers()) == (2, [])


def test_what_a_command_may_do_is_what_is_said(machine: Minibuild, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM busybox\nRUN grep -E '^(Seccomp|NoNewPrivs|CapEff):' /proc/self/status\n"
    )
    words = ("build", "--runtime", "docker", "--progress=plain", "--no-cache")
    options = ((), ("--security-opt", "seccomp=unconfined", "--security-opt", "no-new-privileges"))

    said = [machine(*words, *more, tmp_path).stderr for more in options]

    found = [re.findall(r"(Seccomp|NoNewPrivs|CapEff):\s+(\w+)", text) for text in said]
    capabilities = ("CapEff", "00000000a80425fb")
    assert found == [
        [capabilities, ("NoNewPrivs", "0"), ("Seccomp", "2")],
        [capabilities, ("NoNewPrivs", "1"), ("Seccomp", "0")],
    ]


def test_without_a_daemon_it_is_said_what_is_missing(minibuild: Minibuild, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text('FROM scratch\nRUN ["x"]\n')

    done = minibuild.with_variables(DOCKER_HOST=f"unix://{tmp_path}/none")("build", "--runtime", "docker", tmp_path)

    assert (done.returncode, f"no docker daemon answers at unix://{tmp_path}/none" in done.stderr) == (6, True)


def test_a_snapshotter_beside_it_is_refused(machine: Minibuild, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN true\n")

    done = machine("build", "--runtime", "docker", "--snapshotter", "native", tmp_path)

    assert done.returncode == 2
    assert "--snapshotter native keeps trees here, --runtime docker in the daemon" in done.stderr


def test_info_says_that_a_daemon_answers(machine: Minibuild) -> None:
    told = machine.succeed("info")

    [line] = [line for line in told.splitlines() if line.split()[:1] == ["docker"]]
    assert line.split(maxsplit=1)[1] == "works: trees are the daemon's, whatever the snapshotter"


def test_certificates_and_name_servers_are_there_as_long_as_run(machine: Minibuild, tmp_path: Path) -> None:
    require("openssl")
    authority, out = Authority.founded(tmp_path / "authority").own, tmp_path / "out"
    context = tmp_path / "project"
    context.mkdir()
    lines = "RUN head -n 1 $CURL_CA_BUNDLE && cat /etc/resolv.conf\nRUN touch /made\n"
    (context / "Dockerfile").write_text(f"FROM busybox\n{lines}")
    words = (f"--ca-bundle={authority.path}", "--dns=192.0.2.1", "--dns-search=x.example", "--dns-option=rotate")

    done = machine("build", "--runtime=docker", "--progress=plain", *words, "-o", out, context)

    assert done.returncode == 0, done.stderr
    expected = ("-----BEGIN CERTIFICATE-----", "nameserver 192.0.2.1", "search x.example", "options rotate")
    assert [line for line in expected if line not in done.stderr] == []
    assert [(out / path).exists() for path in ("made", "dev/.minibuild")] == [True, False]
