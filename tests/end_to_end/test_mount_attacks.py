"""What hostile Dockerfiles have tried on other builders, as root and as a plain user: the host stays out of reach."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from minibuild.runtimes.table import ISOLATING
from tests.accounts import open_directory
from tests.command import Minibuild
from tests.end_to_end.conftest import Project

pytestmark = pytest.mark.e2e


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that all users can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A directory of this host that no build has any business in, though anybody could write to it."""
    directory = tmp_path / "host"
    (directory / "x").mkdir(parents=True)
    (directory / "file").touch()
    (directory / "secret").write_text("of the host")
    for path in (directory, *directory.iterdir()):
        path.chmod(0o777)
    return directory


def contents(directory: Path) -> Mapping[str, str | None]:
    """All that is in a directory; None for what is no file."""
    paths = sorted(directory.rglob("*"))
    return {str(path.relative_to(directory)): path.read_text() if path.is_file() else None for path in paths}


UNTOUCHED = {"file": "", "secret": "of the host", "x": None}


@pytest.mark.parametrize(
    ("mount", "name"),
    [("type=tmpfs,target=/a/b/x", "x"), ("type=cache,target=/a/b/x", "x"), ("source=file,target=/a/b/file", "file")],
)
def test_mount_points_are_not_removed_through_a_link_put_in_their_way(
    anybody: Minibuild, project: Project, host: Path, mount: str, name: str
) -> None:
    """CVE-2024-23652: what is to be cleaned up is an empty directory or file of the host by then."""
    swap = f"mv /a /moved && mkdir /a && ln -s {host} /a/b && ls -d /moved/b/{name}"
    root = project({"Dockerfile": f"FROM busybox\nRUN --mount={mount} {swap}\n", "file": "x"})
    assert anybody("build", root).returncode == 0
    assert contents(host) == UNTOUCHED


def test_a_cache_whose_directory_is_swapped_for_a_link_is_never_mounted_from_the_host(
    anybody: Minibuild, project: Project, host: Path
) -> None:
    """CVE-2024-23651: two stages share a cache, one swaps what the other mounts."""
    swap = f"i=0; while [ $i -lt 2000 ]; do mv /c/s /c/t; ln -s {host} /c/s; rm -f /c/s; mv /c/t /c/s; i=$((i+1)); done"
    look = "test ! -e /h/secret && touch /h/mine; sleep 0.05; test ! -e /h/secret"
    text = f"FROM busybox AS swap\nRUN --mount=type=cache,id=c,target=/c mkdir -p /c/s; {swap} 2>&1; touch /ended\n"
    text += "FROM busybox\n" + f"RUN --mount=type=cache,id=c,source=s,target=/h {look}\n" * 12
    text += "COPY --from=swap /ended /\n"

    done = anybody("build", "--no-cache", project({"Dockerfile": text}))

    # What is a link at that moment, or gone, is refused; the command itself never fails.
    assert done.returncode in (0, 7), done.stderr
    assert done.returncode == 0 or "error: /s of the cache " in done.stderr
    assert contents(host) == UNTOUCHED


def test_a_link_of_a_stage_leads_a_mount_nowhere_but_into_that_stage(
    anybody: Minibuild, project: Project, host: Path
) -> None:
    """CVE-2024-1753: ``source`` is a link to the root, or to a directory of the host."""
    text = f"FROM busybox AS made\nRUN ln -s / /root-of && mkdir -p {host} && ln -s {host} /out && touch {host}/made\n"
    text += (
        f"FROM busybox\nRUN --mount=from=made,source=/root-of,target=/h,rw ls /h/root-of /h{host} && rm -r /h{host}\n"
    )
    text += "RUN --mount=from=made,source=/out,target=/h,rw ls /h > /seen && rm /h/made\n"
    text += "RUN --mount=from=made,source=/../../..,target=/h ls /h/made 2>&1 || test $(cat /seen) = made\n"
    done = anybody("build", project({"Dockerfile": text}))
    assert done.returncode == 0, done.stderr
    assert contents(host) == UNTOUCHED


REFUSED = {
    "type=bind,source=file,target=/x,bind-propagation=suid": "--mount of type bind has no 'bind-propagation'",
    "type=bind,source=file,target=/x,suid": "--mount of type bind has no 'suid'",
    "type=tmpfs,target=/x,options=dev": "--mount of type tmpfs has no 'options'",
    "type=devpts,target=/x": "--mount",
}


@pytest.mark.parametrize(("mount", "said"), REFUSED.items(), ids=REFUSED)
def test_raw_mount_options_are_refused_while_reading(
    builder: Minibuild, project: Project, mount: str, said: str
) -> None:
    """CVE-2024-9407."""
    done = builder("build", project({"Dockerfile": f"FROM busybox\nRUN --mount={mount} true\n", "file": ""}))
    assert done.returncode == 3
    assert f"error: {said}" in done.stderr


@pytest.mark.parametrize("escape", ["../../../../host", "/../host", "../../x/../../../host", "..", "\\0"])
def test_no_id_or_source_of_a_cache_leads_out_of_the_store(
    anybody: Minibuild, project: Project, host: Path, escape: str
) -> None:
    """CVE-2024-9675."""
    before = {path.name for path in host.parent.iterdir()} | {"store", "project"}
    text = f"FROM busybox\nRUN --mount=type=cache,id={escape},target=/x touch /x/by-id\n"
    text += f"RUN --mount=type=cache,source={escape},target=/x touch /x/by-source\n"
    assert anybody("build", project({"Dockerfile": text})).returncode in (0, 3)
    assert contents(host) == UNTOUCHED
    assert {path.name for path in host.parent.iterdir()} <= before


def test_what_one_stage_makes_of_its_mount_another_never_sees(anybody: Minibuild, project: Project, host: Path) -> None:
    """CVE-2024-11218: a stage swaps what another, built at the same time, is about to mount."""
    text = "FROM busybox AS made\nRUN mkdir /out && echo right > /out/file\n"
    text += "FROM busybox AS swap\n"
    text += f"RUN --mount=from=made,target=/m,rw rm -r /m/out && ln -s {host} /m/out && sleep 0.3 && touch /ended\n" * 3
    text += "FROM busybox\n"
    text += "RUN --mount=from=made,source=/out,target=/h,rw test $(cat /h/file) = right && rm /h/*\n" * 8
    text += "COPY --from=swap /ended /\n"
    done = anybody("build", "--no-cache", project({"Dockerfile": text}))
    assert done.returncode == 0, done.stderr
    assert contents(host) == UNTOUCHED


@pytest.mark.parametrize("runtime", ISOLATING)
def test_no_group_of_the_builder_is_the_commands(anybody: Minibuild, project: Project, runtime: str) -> None:
    """CVE-2022-2990."""
    words = [word for word in anybody.prefix if word != "--clear-groups"] or ["setpriv", "env"]
    words.insert(1, "--groups=4,24,100")
    # Its own may be among them: podman, as docker, has it there since CVE-2022-2989.
    script = '! grep ^Groups: /proc/self/status | grep -wE "4|24|100"'
    text = f"FROM busybox\nRUN {script}\nUSER 5:6\nRUN {script}\n"

    done = anybody.with_prefix(*words)("build", "--progress=plain", "--runtime", runtime, project({"Dockerfile": text}))

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("runtime", ISOLATING)
def test_no_program_of_the_host_is_overwritten_through_proc(anybody: Minibuild, project: Project, runtime: str) -> None:
    """CVE-2019-5736: the runtime's own program is reached by /proc/PID/exe of what it starts."""
    programs = [Path(path).resolve() for path in map(shutil.which, ("crun", "runc", "bwrap", "sh", "env")) if path]
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in programs}
    attack = "for exe in /proc/[0-9]*/exe; do (echo overwritten > $exe) 2>/dev/null; cp /bin/busybox $exe; done"
    interpreter = "RUN echo '#!/proc/self/exe' > /bin/again && chmod +x /bin/again\n"
    text = f"FROM busybox\nRUN {attack}; true\n{interpreter}"
    ends = [f'{text}RUN ["{program}", "sh", "-c", "{attack}"]\n' for program in ("/proc/self/exe", "again")]

    for end in ends:
        anybody("build", "--runtime", runtime, project({"Dockerfile": end}))

    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in programs} == before
