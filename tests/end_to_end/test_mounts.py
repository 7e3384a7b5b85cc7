"""RUN with mounts of every type, by every runtime, as root and as a plain user, seen as a person sees it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.runtimes.table import ISOLATING
from tests.accounts import open_directory
from tests.command import Minibuild
from tests.end_to_end.conftest import Project
from tests.machine import require

pytestmark = pytest.mark.e2e

SECRET = "correct-horse-battery-staple"
EVERY_TYPE = """\
FROM busybox AS made
RUN mkdir /out && echo of the stage > /out/file && ln -s / /rootdir
FROM busybox
RUN --mount=target=/context ! test -e /context/left.out && ! touch /context/new && cat /context/file
RUN --mount=from=made,source=/rootdir,target=/h,rw cat /h/out/file && echo thrown away > /h/out/file && ls /h | grep out
RUN --mount=type=cache,target=/cache,mode=0700 --mount=type=tmpfs,target=/cache/memory,size=1m \
    echo line >> /cache/log && wc -l < /cache/log && stat -c "mode %a" /cache && touch /cache/memory/x
RUN --mount=type=secret,id=token,env=TOKEN --mount=type=secret,id=token,mode=0440,uid=5 \
    cat /run/secrets/token; echo; echo ">$TOKEN<"; stat -c "secret %a %u" /run/secrets/token
RUN --mount=type=secret,id=nobodys test ! -e /run/secrets/nobodys && echo absent
RUN --mount=type=ssh,mode=0666 test -S $SSH_AUTH_SOCK && echo agent at $SSH_AUTH_SOCK
RUN --network=none test $(grep -c : /proc/net/dev) = 1 && echo alone
"""
FILES = {"Dockerfile": EVERY_TYPE, "file": "of the context\n", "left.out": "", ".dockerignore": "*.out\n"}
SAID = ("of the context", "of the stage", "1", "mode 700", "***", ">***<", "secret 440 5", "absent", "alone")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that all users can reach."""
    with open_directory() as path:
        yield path


@pytest.mark.parametrize("runtime", ISOLATING)
def test_every_type_is_mounted_by_every_runtime_and_leaves_nothing(
    anybody: Minibuild, project: Project, tmp_path: Path, runtime: str
) -> None:
    require("ssh-keygen", "ssh-agent", root=True)
    (tmp_path / "token").write_text(SECRET)
    key, out = anybody.root.parent / "key", anybody.root.parent / "out"
    subprocess.run([*anybody.prefix, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    words = ("--progress=plain", "--runtime", runtime, "--secret", f"id=token,src={tmp_path}/token")

    done = anybody("build", *words, "--ssh", f"default={key}", "-o", out, project(FILES))

    assert done.returncode == 0, done.stderr
    lines = {line.split(" ", 2)[-1] for line in done.stderr.splitlines()}
    assert set(SAID) | {"agent at /run/buildkit/ssh_agent.0"} <= lines
    assert SECRET not in done.stderr
    assert not {"context", "h", "cache", "run"} & {path.name for path in out.iterdir()}
    assert subprocess.run(["grep", "-rqa", SECRET, anybody.root]).returncode == 1


def test_what_is_mounted_is_in_the_key_by_its_content_alone(anybody: Minibuild, project: Project) -> None:
    text = "FROM busybox AS made\n{}RUN echo 1 > /f\nFROM busybox\n"
    text += "RUN --mount=from=made,source=/f,target=/f --mount=source=a,target=/a cat /f /a > /both\n"
    root = project({"Dockerfile": text.format(""), "a": "a", "b": "b"})
    anybody.succeed("build", root)
    project({"Dockerfile": text.format("RUN true\n"), "b": "changed"})

    assert outcome(anybody("build", "--progress=plain", root).stderr, "RUN --mount") == "CACHED"
    project({"a": "changed"})
    assert outcome(anybody("build", "--progress=plain", root).stderr, "RUN --mount") == "DONE"


def outcome(log: str, instruction: str) -> str:
    """How a plain log says that an instruction ended."""
    [number] = re.findall(rf"^#(\d+) \[.*\] {instruction}", log, re.MULTILINE)
    [word] = re.findall(rf"^#{number} (CACHED|DONE|FAILED)", log, re.MULTILINE)
    return str(word)


def test_a_locked_cache_is_had_by_one_build_at_a_time(anybody: Minibuild, project: Project) -> None:
    script = "test ! -e /c/busy && touch /c/busy && sleep 0.5 && rm /c/busy && echo x >> /c/log"
    root = project({"Dockerfile": f"FROM busybox\nARG N\nRUN --mount=type=cache,target=/c,sharing=locked {script}\n"})
    anybody.succeed("build", "--build-arg", "N=0", root)

    builds = [anybody.start("build", "--build-arg", f"N={number}", root) for number in (1, 2, 3)]

    assert [build.wait() for build in builds] == [0, 0, 0]
    logs = list(anybody.root.glob("mounts/*/*/log"))
    assert [log.read_text() for log in logs] == ["x\n" * 4]


def test_a_shared_cache_is_had_by_several_builds_at_once(anybody: Minibuild, project: Project) -> None:
    # Each ends only when the other has come.
    script = "touch /c/$N && until test -e /c/1 -a -e /c/2; do sleep 0.1; done"
    root = project({"Dockerfile": f"FROM busybox\nARG N\nRUN --mount=type=cache,target=/c,sharing=shared {script}\n"})

    builds = [anybody.start("build", "--build-arg", f"N={number}", root) for number in (1, 2)]

    assert [build.wait(60) for build in builds] == [0, 0]


def test_private_caches_are_had_side_by_side(anybody: Minibuild, project: Project) -> None:
    script = "touch /c/$N && sleep 1 && ls /c | wc -l"
    root = project({"Dockerfile": f"FROM busybox\nARG N\nRUN --mount=type=cache,target=/c,sharing=private {script}\n"})

    builds = [anybody.start("build", "--build-arg", f"N={number}", root) for number in (1, 2)]

    assert [build.wait() for build in builds] == [0, 0]
    assert len(list(anybody.root.glob("mounts/*/[01]"))) == 2


def test_a_link_in_a_cache_does_not_lead_a_mount_out_of_it(anybody: Minibuild, project: Project) -> None:
    lines = (
        "RUN --mount=type=cache,id=x,target=/c ln -s / /c/sub\nRUN --mount=type=cache,id=x,source=sub,target=/h ls /h\n"
    )
    done = anybody("build", project({"Dockerfile": f"FROM busybox\n{lines}"}))
    assert done.returncode == 7
    assert "/sub of the cache is no directory" in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("RUN --mount=type=secret,id=t,required true", "secret t is required, and was not given"),
        ("RUN --mount=type=ssh,required true", "SSH agent default is required, and was not given"),
        ("RUN --security=insecure true", "RUN --security=insecure is not permitted"),
        ("RUN --network=host true", "RUN --network=host is not permitted"),
    ],
)
def test_what_was_not_given_is_asked_for(anybody: Minibuild, project: Project, line: str, said: str) -> None:
    done = anybody("build", "--network", "none", project({"Dockerfile": f"FROM busybox\n{line}\n"}))
    assert done.returncode == 2
    assert said in done.stderr


def test_surroundings_reach_a_run(anybody: Minibuild, project: Project) -> None:
    script = "grep 10.1.2.3 /etc/hosts; df -k /dev/shm; ulimit -n; cat /v/file; touch /v/x; mount -t tmpfs x /mnt"
    text = f"FROM busybox\nRUN mkdir /mnt\nRUN --security=insecure {script} && echo mounted\n"
    root = project({"Dockerfile": text, "file": "of the volume"})
    words = ("--add-host", "db=10.1.2.3", "--shm-size", "8m", "--ulimit", "nofile=77", "-v", f"{root}:/v:ro")

    log = anybody("build", "--progress=plain", "--allow", "security.insecure", *words, root).stderr

    for expected in ("10.1.2.3\tdb", " 8192 ", " 77\n", "of the volume", "Read-only file system", "mounted"):
        assert expected in log


def test_a_run_makes_the_calls_that_its_profile_lets_it(anybody: Minibuild, project: Project) -> None:
    text = "FROM busybox\nRUN unshare -U true && echo made; mkdir /new || echo none\n"
    text += "RUN --security=insecure grep Seccomp: /proc/self/status\n"
    rule = '{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}'
    profile = f'{{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}]}}'
    root = project({"Dockerfile": text, "profile.json": profile})
    build = ("build", "--progress=plain", "--allow", "security.insecure")

    usual = anybody(*build, root).stderr
    unconfined = anybody(*build, "--security-opt", "seccomp=unconfined", root).stderr
    profiled = anybody(*build, "--security-opt", f"seccomp={root}/profile.json", root).stderr

    assert "unshare(0x10000000): Operation not permitted" in usual
    assert ("Seccomp:\t0" in usual, "made" in unconfined.split()) == (True, True)
    assert "mkdir: can't create directory '/new': No space left on device" in profiled
