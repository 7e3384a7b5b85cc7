"""A build that is killed at any moment leaves nothing on the machine, and the next one nothing of it in the store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from minibuild.runtimes.table import ISOLATING
from minibuild.sandbox import syscalls
from tests.accounts import open_directory
from tests.command import Minibuild
from tests.end_to_end.conftest import Project
from tests.filesystems import SNAPSHOTTERS, loop_mounted
from tests.fuse import fuse_for_all

pytestmark = pytest.mark.e2e

PATIENCE_S = 20
# Each build is killed so often, at moments spread over what it takes.
KILLS = 4
DOCKERFILE = """\
FROM busybox AS made
RUN --mount=type=cache,target=/cache mkdir /out && echo x > /cache/x && seq 100000 > /out/big && touch -d @0 /out/* /out
FROM busybox
COPY many /many
RUN --mount=type=bind,from=made,source=/out,target=/in --mount=type=tmpfs,target=/deep/tmp \\
    cp /in/big /copied && cp /in/big /deep/tmp && touch -d @0 /copied
COPY --from=made /out /out
RUN rm -r /out/big && ln /copied /again && chown 5:7 /copied && touch -d @0 /copied /out
"""


# Every runtime, and every snapshotter.
VARIANTS = [
    *((name, "overlay") for name in ISOLATING),
    *(("crun", name) for name in SNAPSHOTTERS if name != "overlay"),
]


@pytest.fixture(params=VARIANTS, ids="-".join)
def variant(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A runtime and a snapshotter."""
    runtime, snapshotter = request.param
    return runtime, snapshotter


@pytest.fixture
def tmp_path(variant: tuple[str, str]) -> Iterator[Path]:
    """In place of pytest's: a directory that a plain user can reach, on a filesystem that the snapshotter can use."""
    with open_directory() as path:
        if "btrfs" not in variant:
            yield path
            return
        with loop_mounted("btrfs", path, options="loop,user_subvol_rm_allowed") as place:
            yield place


@pytest.fixture
def victim(anybody: Minibuild, variant: tuple[str, str], tmp_path: Path) -> Minibuild:
    """Somebody who can build by them; skips the test where nobody can."""
    builder = anybody.with_variables(SOURCE_DATE_EPOCH="0", TMPDIR=str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "temporary").chmod(0o1777)
    if "fuse-overlayfs" in variant:
        builder = builder.with_prefix(*fuse_for_all(tmp_path), *builder.prefix)
    info = json.loads(builder.succeed("info", "--format=json"))
    for entry in [*info["Runtimes"], *info["Snapshotters"]]:
        if entry["Name"] in variant and not entry["Works"]:
            pytest.skip(f"{entry['Name']}: {entry['Reason']}")
    return builder


@pytest.fixture
def adopting() -> Iterator[None]:
    """What a killed child leaves running becomes a child of ours."""
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    yield
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 0)


def remains(place: Path, build: int) -> set[str]:
    """What there is on the machine that may be of a build, by its directory, its process or in places of programs."""
    return {
        *(line for line in lines_of("cat", "/proc/self/mountinfo") if f" {place}/" in line),
        *(line for line in lines_of("losetup", "-a") if str(place) in line),
        *lines_of("find", "/sys/fs/cgroup", "-name", f"*minibuild-{build}-*"),
        *lines_of("find", "/run/crun", "/run/runc", "/tmp/", "-maxdepth", "1", "-name", "*minibuild-[0-9]*-*"),
        *lines_of("find", "/tmp/", "-maxdepth", "1", "-name", "crun.*"),
        *lines_of("ipcs", "-m"),
        *(f"process {pid}: {command}" for pid, command in children()),
    }


def lines_of(*command: str) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


def children() -> Iterator[tuple[int, str]]:
    """The children that we have; those that have ended are waited for."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        # The words behind its name, which may hold anything: state, parent.
        with suppress(OSError):
            pid, parent = int(path.parent.name), int(path.read_text().rpartition(") ")[2].split()[1])
            if parent == os.getpid() and os.waitpid(pid, os.WNOHANG) == (0, 0):
                yield pid, path.with_name("cmdline").read_text().replace("\0", " ")


def killed(builder: Minibuild, words: Sequence[str | Path], after_s: float) -> None:
    """Kills a build at a moment; asserts that nothing is left of it, but in its store and its scratch directory."""
    before = remains(builder.root.parent, 0)
    build = builder.start(*words)
    with suppress(subprocess.TimeoutExpired):
        build.wait(after_s)
    build.kill()
    output, _ = build.communicate(timeout=PATIENCE_S)
    assert build.returncode in (0, -signal.SIGKILL), output
    deadline = time.monotonic() + PATIENCE_S
    while left := remains(builder.root.parent, build.pid) - before:
        assert time.monotonic() < deadline, left


def kept(root: Path) -> list[str]:
    """The paths of all that a store holds, but trees and caches, and whatever a build was at."""
    trees = root / "snapshots"
    at_work = [path for path in trees.glob("*/.new/*") if path.name != ".lock"]
    return sorted(str(path.relative_to(root)) for path in [*root.glob("[!s]*/**/*"), *at_work] if path.is_file())


@pytest.mark.usefixtures("adopting")
def test_whenever_a_build_is_killed_nothing_is_left_of_it(
    victim: Minibuild, variant: tuple[str, str], project: Project, tmp_path: Path
) -> None:
    files = project({"Dockerfile": DOCKERFILE, **{f"many/{number}": f"{number}\n" for number in range(50)}})
    for path in [*files.rglob("*"), files]:
        os.utime(path, (0, 0))
    words = ["build", "--quiet", "--runtime", variant[0], "--snapshotter", variant[1], files]
    began = time.monotonic()
    image = victim.succeed(*words)
    took = time.monotonic() - began

    hurt = victim.at(victim.root.with_name("hurt"))
    for number in range(KILLS):
        killed(hurt, [*words, "--no-cache"], took * (number + 0.5) / KILLS)

    assert hurt.succeed(*words) == image
    assert kept(hurt.root) == kept(victim.root)
    assert list((tmp_path / "temporary").rglob("*")) == []
