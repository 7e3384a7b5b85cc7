"""Every type of ``RUN --mount`` with every option, as root and as a plain user: what the command itself sees."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.accounts import open_directory
from tests.command import Minibuild
from tests.end_to_end.conftest import Project
from tests.machine import require

pytestmark = pytest.mark.e2e

MADE = """\
FROM busybox AS made
RUN mkdir -p /out/deep && echo of the stage > /out/file && ln -s file /out/link && ln -s /out /absolute && \\
    echo theirs > /out/theirs && chown 70:71 /out/theirs && chmod 0640 /out/theirs
FROM busybox
RUN echo app:x:70:71::/:/bin/sh >> /etc/passwd
WORKDIR /work
"""
FILES = {"file": "of the context\n", "dir/file": "deep\n", "left.out": "", ".dockerignore": "*.out\n"}

# What follows RUN → what it says.
Cases = Mapping[str, list[str]]

BIND: Cases = {
    "--mount=target=/c cat /c/file && ls /c": ["of the context", "Dockerfile", "dir", "file"],
    "--mount=source=file,target=/deep/in/no/where cat /deep/in/no/where": ["of the context"],
    "--mount=source=dir,dst=here cat /work/here/file": ["deep"],
    "--mount=src=dir,target=/d exec 2>&1; stat -c %u:%g /d/file; touch /d/new || rm /d/file || echo x >> /d/file || echo no": [  # noqa: E501
        "0:0",
        "touch: /d/new: Read-only file system",
        "rm: can't remove '/d/file': Read-only file system",
        "/bin/sh: can't create /d/file: Read-only file system",
        "no",
    ],
    "--mount=source=dir,target=/d,rw echo changed > /d/file && cat /d/file && touch /d/new": ["changed"],
    "--mount=source=dir,target=/d cat /d/file && ls /d": ["deep", "file"],
    "--mount=from=made,target=/s cat /s/out/file": ["of the stage"],
    "--mount=from=0,source=/out/file,target=/f cat /f": ["of the stage"],
    "--mount=from=made,source=absolute/link,target=/f cat /f": ["of the stage"],
    "--mount=from=made,source=out,target=/o stat -c '%u:%g %a' /o/theirs": ["70:71 640"],
    "--mount=from=made,source=out,target=/o,readwrite echo more >> /o/file && rm /o/theirs && cat /o/file": [
        "of the stage",
        "more",
    ],
    "--mount=from=made,source=out,target=/o cat /o/file && ls /o": ["of the stage", "deep", "file", "link", "theirs"],
    "--mount=from=busybox,target=/i,ro /i/bin/busybox echo by the image": ["by the image"],
    "--mount=from=made,source=out,target=/o --mount=source=dir,target=/o/deep ls /o && ls /o/deep": [
        "deep",
        "file",
        "link",
        "theirs",
        "file",
    ],
    'test -z "$(ls -A /work)" && ls / | grep -x -e [cdfios] -e deep || echo nothing is left': ["nothing is left"],
}
CACHE: Cases = {
    "--mount=type=cache,target=/c stat -c '%u:%g %a' /c && echo 1 > /c/one": ["0:0 755"],
    "--mount=type=cache,id=/c,target=/elsewhere cat /elsewhere/one": ["1"],
    "--mount=type=cache,target=/c,id=other ls /c && echo empty": ["empty"],
    "--mount=type=cache,target=/c,ro cat /c/one; touch /c/x": ["1", "touch: /c/x: Read-only file system"],
    "--mount=type=cache,target=/c,mode=0750,uid=70,gid=72 stat -c '%u:%g %a' /c && ls -A /c": ["70:72 750"],
    "--mount=type=cache,target=/c,source=a/b touch /c/in && stat -c '%u:%g %a' /c": ["0:0 755"],
    "--mount=type=cache,target=/c find /c": ["/c", "/c/one", "/c/a", "/c/a/b", "/c/a/b/in"],
    "--mount=type=cache,target=/o,from=made,source=/out cat /o/file && rm /o/file && stat -c '%u:%g' /o/theirs": [
        "of the stage",
        "70:71",
    ],
    "--mount=type=cache,target=/o,from=made,source=/out ls /o": ["deep", "link", "theirs"],
    "--mount=type=cache,target=/c,sharing=locked --mount=type=cache,target=/d,id=/c,sharing=locked ls /c/one /d/one": [
        "/c/one",
        "/d/one",
    ],
    "--mount=type=cache,target=/p,sharing=private echo p > /p/p && ls /p": ["p"],
    "--mount=type=cache,target=/p,sharing=private ls /p": ["p"],
    "ls -d /c /d /o /p /elsewhere 2>/dev/null || echo nothing is left": ["nothing is left"],
}
TMPFS: Cases = {
    "--mount=type=tmpfs,target=/t stat -f -c %T /t && stat -c '%u:%g %a' /t && ls -A /t": ["tmpfs", "0:0 1777"],
    "--mount=type=tmpfs,target=/t,size=64k dd if=/dev/zero of=/t/x bs=1k count=65 2>&1 | grep -o 'No space.*'": [
        "No space left on device"
    ],
    "--mount=type=tmpfs,target=/work/t echo x > t/x && ls t": ["x"],
    "--mount=type=tmpfs,target=/bin/nowhere/at/all touch /bin/nowhere/at/all/x && echo there": ["there"],
    "ls -d /t /work/t /bin/nowhere 2>/dev/null || echo nothing is left": ["nothing is left"],
}
SECRET: Cases = {
    "--mount=type=secret,id=one stat -c '%u:%g %a' /run/secrets/one && wc -c < /run/secrets/one": ["0:0 400", "12"],
    "--mount=type=secret,id=one,target=/root/.netrc,mode=0644,uid=70,gid=72 stat -c '%u:%g %a' /root/.netrc": [
        "70:72 644"
    ],
    "--mount=type=secret,id=two,env=TWO test \"$TWO\" = 'a value' -a ! -e /run/secrets/two && echo so it is": [
        "so it is"
    ],
    '--mount=type=secret,id=two,env=TWO,target=/two test "$TWO" = "$(cat /two)" && echo alike': ["alike"],
    "--mount=type=secret,id=one cat /run/secrets/one": ["***", "***"],
    '--mount=type=secret,id=two,env=TWO echo it is "$TWO".': ["it is ***."],
    "--mount=type=secret,id=one echo x > /run/secrets/one": [
        "/bin/sh: can't create /run/secrets/one: Read-only file system"
    ],
    "--mount=type=secret,id=none ls /run/secrets/none || echo absent": [
        "ls: /run/secrets/none: No such file or directory",
        "absent",
    ],
    "--mount=type=secret,id=one,mode=0440,gid=71 su app -c 'wc -l < /run/secrets/one'": ["2"],
    "--mount=type=secret,id=one su app -c 'cat /run/secrets/one' || echo closed": [
        "cat: can't open '/run/secrets/one': Permission denied",
        "closed",
    ],
    "ls /run /root/.netrc /two 2>/dev/null || echo nothing is left": ["nothing is left"],
}
SECRETS = {"one": "first\nsecon\n", "two": "a value"}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that all users can reach."""
    with open_directory() as path:
        yield path


def heard(anybody: Minibuild, project: Project, cases: Cases, *words: str) -> Cases:
    """What each RUN said, in a build of all of them; its end doesn't matter."""
    runs = "".join(f"RUN {line}; true\n" for line in cases)
    done = anybody("build", "--progress=plain", *words, project({**FILES, "Dockerfile": MADE + runs}))
    assert done.returncode == 0, done.stderr
    titles = dict(re.findall(r"^#(\d+) \[[^]]*\] RUN (.*); true$", done.stderr, re.MULTILINE))
    said: dict[str, list[str]] = {title: [] for title in titles.values()}
    for number, line in re.findall(r"^#(\d+) \d+\.\d+ (.*)$", done.stderr, re.MULTILINE):
        if number in titles:
            said[titles[number]].append(line)
    return said


@pytest.mark.parametrize("cases", [BIND, CACHE, TMPFS], ids=["bind", "cache", "tmpfs"])
def test_a_command_sees_what_its_mounts_say(anybody: Minibuild, project: Project, cases: Cases) -> None:
    assert heard(anybody, project, cases) == cases


def test_a_command_sees_its_secrets_and_the_log_does_not(anybody: Minibuild, project: Project) -> None:
    for name, value in SECRETS.items():
        (anybody.root.parent / name).write_text(value)
    words = [f"--secret=id={name},src={anybody.root.parent}/{name}" for name in SECRETS]
    assert heard(anybody, project, SECRET, *words) == SECRET


# --- agents --------------------------------------------------------------------------------------------------------

AGENT = """\
FROM busybox
COPY programs/ /
RUN echo app:x:70:71::/:/bin/sh >> /etc/passwd
RUN --mount=type=ssh ssh-add -l
RUN --mount=type=ssh,id=deploy,target=/agent SSH_AUTH_SOCK=/agent ssh-add -l
RUN --mount=type=ssh --mount=type=ssh,id=deploy ls /run/buildkit && stat -c "%u:%g %a" $SSH_AUTH_SOCK
RUN ssh-add -l; ls /run /agent; true
USER app
RUN --mount=type=ssh,uid=70,gid=71,mode=0660 stat -c "%u:%g %a" $SSH_AUTH_SOCK && ssh-add -l
RUN --mount=type=ssh ssh-add -l; true
"""


def test_a_command_asks_a_real_agent(anybody: Minibuild, project: Project, tmp_path: Path) -> None:
    require("ssh-agent", "ssh-add", "ssh-keygen", "ldd")
    home = anybody.root.parent
    keys = {name: made_key(anybody, home / name) for name in ("default", "deploy")}
    root = project({"Dockerfile": AGENT})
    copy_program("ssh-add", root / "programs")

    with running_agent(anybody, tmp_path / "agents", home / "default") as socket:
        words = ("--ssh", f"default={socket}", "--ssh", f"deploy={home}/deploy")
        done = anybody("build", "--progress=plain", *words, root)

    assert done.returncode == 0, done.stderr
    assert re.findall(r"^#\d+ \d+\.\d+ (.*)$", done.stderr, re.MULTILINE) == [
        keys["default"],
        keys["deploy"],
        "ssh_agent.0",
        "ssh_agent.1",
        "0:0 600",
        "Could not open a connection to your authentication agent.",
        "ls: /run: No such file or directory",
        "ls: /agent: No such file or directory",
        "70:71 660",
        keys["default"],
        "Error connecting to agent: Permission denied",
    ]


def made_key(anybody: Minibuild, file: Path) -> str:
    """Makes a key of the user's; answers what ``ssh-add -l`` says of it."""
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", str(file)]
    subprocess.run([*anybody.prefix, *command], check=True)
    return subprocess.run(["ssh-keygen", "-l", "-f", file], check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def running_agent(anybody: Minibuild, place: Path, key: Path) -> Iterator[Path]:
    """A real agent of the user's that holds a key, on a socket in a directory made for it."""
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    # It lives as long as the shell does, which reads what only we write to.
    script = f"ssh-add -q {key} && echo ready && read -r _; kill $SSH_AGENT_PID"
    command = [*anybody.prefix, "ssh-agent", "-a", str(place / "socket"), "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdout
        assert agent.stdout.readline() == "ready\n"
        yield place / "socket"


def copy_program(name: str, target: Path) -> None:
    """Copies a program of this host, with the libraries that it loads, to where it has them."""
    program = shutil.which(name)
    assert program
    listing = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for path in (program, *re.findall(r"(/\S+) \(0x", listing)):
        (target / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / path.lstrip("/"))
