"""A plain user builds and runs without any wrapper, as root of a user namespace that minibuild enters by itself."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.runtimes.table import ISOLATING
from tests.accounts import PlainUser, open_directory
from tests.command import Minibuild
from tests.end_to_end.conftest import Project
from tests.end_to_end.test_mount_matrix import copy_program
from tests.end_to_end.test_no_privileges import without_proot
from tests.end_to_end.test_stopping import PATIENCE_S, dockerfile, marker, nothing_is_left, started
from tests.filesystems import loop_mounted
from tests.machine import require

pytestmark = pytest.mark.e2e
__all__ = ["marker"]

SANDBOXED = Path(__file__).parent.parent / "sandboxed.py"
OWNERS = """\
FROM busybox
RUN echo app:x:70:71::/srv:/bin/sh >> /etc/passwd && echo app:x:71: >> /etc/group && touch -d @0 /etc/* /etc
COPY --chown=app:9 file /srv/copied
RUN mkdir -p /srv/deep && echo x > /srv/deep/x && chown -R 70:71 /srv/deep && chown 65000:65000 /srv/deep/x && \\
    chmod 4755 /srv/deep/x && mkfifo /srv/deep/fifo && ln -s x /srv/deep/link && rm -r /home && \\
    mkdir /home && touch -h -d @0 /srv/deep/* /srv/deep /srv /home /
USER app
WORKDIR /srv/made
RUN id -u && id -G && echo mine > mine && touch -d @0 mine . && stat -c "%u:%g %a %n" /srv/copied /srv/deep/x mine
"""
FILES = {"Dockerfile": OWNERS, "file": "of the context\n"}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that the user can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture
def files(project: Project) -> Path:
    """A project with files of several owners."""
    root = project(FILES)
    os.utime(root / "file", (0, 0))
    return root


def layers_of(builder: Minibuild, name: str) -> list[str]:
    """The diff_ids of an image."""
    [image] = json.loads(builder.succeed("inspect", name))
    return list(image["RootFS"]["Layers"])


@pytest.mark.parametrize("runtime", ISOLATING)
def test_the_image_is_the_same_as_roots_by_every_runtime(
    builder: Minibuild, plain: Minibuild, files: Path, runtime: str
) -> None:
    words = ("build", "-t", "owners", "--progress=plain", "--runtime", runtime, files)
    for anybody in (builder, plain):
        done = anybody.with_variables(SOURCE_DATE_EPOCH="0")(*words)
        assert done.returncode == 0, done.stderr
        said = [line.split(" ", 2)[-1] for line in done.stderr.splitlines()]
        assert {"70", "71", "70:9 644 /srv/copied", "65000:65000 4755 /srv/deep/x", "70:71 644 mine"} <= set(said)
    assert layers_of(plain, "owners") == layers_of(builder, "owners")


@pytest.mark.parametrize("options", ["loop", "loop,user_subvol_rm_allowed"])
def test_the_image_is_the_same_by_subvolumes(
    builder: Minibuild, plain: Minibuild, account: PlainUser, files: Path, tmp_path: Path, options: str
) -> None:
    words = ("build", "-t", "owners", "--no-cache", files)
    with loop_mounted("btrfs", tmp_path, options=options) as place:
        there = plain.at(account.own_directory(place / "store"))
        for anybody in (builder, there, there):
            snapshotter = "btrfs" if anybody is there else "overlay"
            anybody.with_variables(SOURCE_DATE_EPOCH="0").succeed(*words, "--snapshotter", snapshotter)
        assert layers_of(there, "owners") == layers_of(builder, "owners")
        assert os.listdir(next(place.glob("store/snapshots/*/.new"))) == [".lock"]


ODD = """\
FROM busybox
COPY programs/ /
ADD devices.tar /
RUN setcap cap_net_raw,cap_kill+ep /bin/tool && touch -d @0 /bin/tool /bin
RUN getcap /bin/tool && rm /odd/pipe && echo changed > /odd/file && touch -d @0 /odd/file /odd
"""


def write_odd(path: Path) -> None:
    """An archive of devices and a pipe that are somebody's."""
    with tarfile.open(path, "w") as archive:
        for name, kind in (("null", tarfile.CHRTYPE), ("disk", tarfile.BLKTYPE), ("pipe", tarfile.FIFOTYPE)):
            member = tarfile.TarInfo(f"odd/{name}")
            member.type, member.devmajor, member.devminor, member.uid = kind, 1, 3, 7
            archive.addfile(member)


def test_capabilities_and_devices_come_through_as_they_do_for_root(
    builder: Minibuild, plain: Minibuild, project: Project
) -> None:
    require("setcap", "getcap", "busybox")
    root = project({"Dockerfile": ODD})
    for name in ("setcap", "getcap"):
        copy_program(name, root / "programs")
    (root / "programs/bin").mkdir(exist_ok=True)
    shutil.copy("/bin/busybox", root / "programs/bin/tool")
    write_odd(root / "devices.tar")

    for anybody in (builder, plain):
        done = anybody.with_variables(SOURCE_DATE_EPOCH="0")("build", "-t", "odd", "--progress=plain", root)
        assert done.returncode == 0, done.stderr
        assert "/bin/tool cap_kill,cap_net_raw=ep" in done.stderr

    assert layers_of(plain, "odd") == layers_of(builder, "odd")


def test_a_limit_that_only_root_can_set_is_told(plain: Minibuild, project: Project) -> None:
    root = project({"Dockerfile": "FROM busybox\nRUN true\n"})
    done = plain("build", "--memory", "64m", "--runtime", "runc", root)
    assert done.returncode == 6
    assert "Dockerfile:2:1: error: cgroups are root's here" in done.stderr


def test_what_is_written_is_the_users_and_the_store_works_outside_of_the_namespace(
    plain: Minibuild, account: PlainUser, files: Path
) -> None:
    home = plain.root.parent
    places = ("--iidfile", home / "iid", "--metadata-file", home / "metadata", "-o", f"type=oci,dest={home}/oci.tar")

    plain.succeed("build", "-t", "owners", *places, "-o", home / "files", files)

    trees = home.joinpath("store", "snapshots")
    others = [path for path in home.rglob("*") if path.lstat().st_uid != account.uid and trees not in path.parents]
    assert others == []
    assert (home / "files/srv/made/mine").read_text() == "mine\n"
    (files / "Dockerfile").write_text("FROM owners\nCOPY --chown=app file /srv/deep/\n")
    outside = plain.as_user(account, home, *sandboxed("kill"))
    assert outside.succeed("build", "-q", files).startswith("sha256:")
    assert "owners" in outside.succeed("images")


def sandboxed(manner: str) -> tuple[str, ...]:
    """Words that take namespaces and mounts from the program behind them."""
    return shutil.which("python3", path="/usr/bin:/bin") or sys.executable, str(SANDBOXED), manner


@pytest.mark.parametrize("manner", ["kill", "refuse"])
def test_a_cached_build_needs_no_namespace(plain: Minibuild, account: PlainUser, files: Path, manner: str) -> None:
    first = plain.succeed("build", "-q", files)
    outside = plain.as_user(account, plain.root.parent, *sandboxed(manner))
    assert outside.succeed("build", "-q", files) == first


def test_steps_are_shown_once(plain: Minibuild, project: Project) -> None:
    text = "FROM busybox AS a\nCOPY file /\nFROM busybox\nRUN echo said\nCOPY --from=a file /two\n"
    root = project({**FILES, "Dockerfile": text})
    plain.succeed("build", root)
    project({"Dockerfile": text.replace("/two", "/three")})

    log = plain("build", "--progress=plain", root).stderr

    assert [line for line in log.splitlines() if line.startswith("#")] == [
        "#1 [stage-1 2/3] RUN echo said",
        "#1 CACHED",
        "#2 [a 2/2] COPY file /",
        "#2 CACHED",
        "#3 [stage-1 3/3] COPY --from=a file /three",
        "#3 DONE 0.0s",
    ]


def test_a_dockerfile_from_standard_input_is_read_once(plain: Minibuild, files: Path) -> None:
    done = plain("build", "-f", "-", "--progress=plain", files, stdin="FROM busybox\nCOPY file /\nRUN cat /file\n")
    assert done.returncode == 0, done.stderr
    assert "of the context" in done.stderr


def test_a_container_runs_and_its_status_is_passed_on(plain: Minibuild, files: Path) -> None:
    plain.succeed("build", "-t", "owners", files)
    assert plain("run", "--rm", "owners", "sh", "-c", "exit 7").returncode == 7
    assert plain.succeed("run", "--rm", "-u", "0", "owners", "sh", "-c", "chown 5:7 /srv && id -u") == "0\n"


def test_errors_come_as_they_do_to_root(plain: Minibuild, project: Project) -> None:
    root = project({"Dockerfile": "FROM busybox\nRUN echo first\nRUN echo last words; exit 3\n"})

    done = plain("build", "--progress=quiet", root)

    assert done.returncode == 5
    assert "Dockerfile:3:1: error: RUN ended with status 3: echo last words; exit 3" in done.stderr
    assert "Traceback" not in done.stderr


PROGRAM = """
import sys, threading
import minibuild
idle = threading.Event()
threading.Thread(target=idle.wait, daemon=True).start()
events = []
image = minibuild.build(sys.argv[1], root=sys.argv[2], progress=events.append, registry_mirrors=[sys.argv[3]])
print(len(image.layers), any("of the context" in str(event) for event in events))
"""


def test_a_program_with_many_threads_may_build(plain: Minibuild, files: Path) -> None:
    mirror = plain.environment["MINIBUILD_REGISTRY_MIRROR"]
    command = [*plain.prefix, plain.interpreter, "-c", PROGRAM, files, plain.root, mirror]
    (files / "Dockerfile").write_text("FROM busybox\nCOPY file /\nRUN cat /file\n")
    done = subprocess.run(command, env=plain.variables(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "3 True\n"), done.stderr


def test_files_of_other_owners_are_counted_and_thrown_away(
    plain: Minibuild, project: Project, account: PlainUser
) -> None:
    closed = "mkdir -m 0700 /d && dd if=/dev/zero of=/d/big bs=1M count=3 && chown -R 5:7 /d"
    cached = "RUN --mount=type=cache,target=/c mkdir -m 0700 /c/d && touch /c/d/x && chown -R 5:7 /c/d"
    plain.succeed("build", "-t", "app", project({"Dockerfile": f"FROM busybox\nRUN {closed}\n{cached}\n"}))

    trees = [json.loads(line) for line in plain.succeed("du", "--format=json").splitlines()][2]
    plain.succeed("rmi", "app", "busybox")
    plain.succeed("prune")

    assert (trees["Type"], trees["Size"] > 4 << 20) == ("file trees", True)
    assert [path for path in plain.root.rglob("*") if path.lstat().st_uid != account.uid] == []


# --- stopping ------------------------------------------------------------------------------------------------------

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


@pytest.mark.parametrize("runtime", ISOLATING)
@pytest.mark.parametrize(("number", "status"), SIGNALS.items(), ids=[number.name for number in SIGNALS])
def test_a_signal_ends_all_of_it(
    plain: Minibuild, project: Project, marker: str, number: signal.Signals, status: int, runtime: str
) -> None:
    build = started(plain, project(dockerfile(marker)), marker, "--runtime", runtime)
    if number is signal.SIGINT:
        os.killpg(build.pid, number)
    else:
        build.send_signal(number)
    output, _ = build.communicate(timeout=PATIENCE_S)
    assert build.returncode == status, output
    assert "Traceback" not in output
    nothing_is_left(plain, marker)


# --- what may be in the way ----------------------------------------------------------------------------------------


def with_mounts(script: str, *rest: str) -> tuple[str, ...]:
    """Words that run a script in a mount namespace before the program behind them."""
    return ("unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh", *rest)


SHORTAGES = {
    "mount --bind /dev/null /usr/bin/newuidmap": ("newuidmap is not installed", "apt-get install uidmap"),
    "mount --bind /dev/null /etc/subuid": ("no range in /etc/subuid", "usermod --add-subuids 100000-165535"),
    "mount --bind /dev/null /etc/subgid": ("no range in /etc/subgid", "usermod --add-subgids 100000-165535"),
}


@pytest.mark.parametrize(("script", "said"), SHORTAGES.items(), ids=[script.split("/")[-1] for script in SHORTAGES])
def test_why_there_is_a_single_id_is_said_with_the_remedy(
    plain: Minibuild, project: Project, script: str, said: tuple[str, str]
) -> None:
    root = project({"Dockerfile": "FROM busybox\nCOPY Dockerfile /\nRUN true\n"})
    hindered = plain.with_prefix(*with_mounts(script, *plain.prefix))

    info = hindered.succeed("info")

    assert "as root of a user namespace with a single id; other owners are recorded" in info
    assert [text in info for text in said] == [True, True]
    hindered.succeed("build", root)


def test_a_kernel_that_forbids_user_namespaces_is_told_from_other_obstacles(
    plain: Minibuild, project: Project, tmp_path: Path
) -> None:
    root = project({"Dockerfile": "FROM busybox\nRUN true\n"})
    (tmp_path / "anybodys").mkdir(mode=0o777)
    (tmp_path / "anybodys").chmod(0o777)
    # The limit is that of a namespace and all in it; there, another user than its root is a plain one.
    forbidding = 'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --reuid=9 --regid=9 --clear-groups "$@"'
    inside = ("unshare", "--user", "--map-auto", "--map-root-user", "sh", "-c", forbidding, "sh")

    there = plain.at(tmp_path / "anybodys/store").with_prefix(*without_proot(*plain.prefix, *inside))
    done = there("build", root)

    assert done.returncode == 6, done.stderr
    assert "user namespaces are forbidden to plain users here: user.max_user_namespaces is 0" in done.stderr
    assert "sysctl -w user.max_user_namespaces=15000" in done.stderr
