"""Images for another architecture than this machine's: RUN by a real qemu, and what can be had without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.runtimes.table import ISOLATING
from tests import bases
from tests.accounts import open_directory
from tests.command import Minibuild
from tests.daemons import Registry
from tests.emulation import ARCHITECTURE, MACHINE, binfmt_misc, emulated
from tests.end_to_end.conftest import Project
from tests.machine import require

pytestmark = pytest.mark.e2e

DOCKERFILE = f"""\
FROM --platform=$BUILDPLATFORM busybox AS native
ARG TARGETARCH
RUN echo "built on $(uname -m) for $TARGETARCH" > /note
FROM busybox:{ARCHITECTURE}
COPY --from=native /note /note
ARG TARGETPLATFORM
RUN cat /note && echo "run on $(uname -m) for $TARGETPLATFORM"
CMD ["uname", "-m"]
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that a plain user can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture
def lock(shared_directory: Path) -> Path:
    return shared_directory / "binfmt.lock"


@pytest.fixture
def foreign(builder: Minibuild, registry: Registry) -> Minibuild:
    """minibuild with Docker Hub's busybox for both architectures."""
    require("apt-get", "dpkg-deb")
    bases.foreign_busybox(ARCHITECTURE).pushed_to(registry)
    return builder


@pytest.mark.parametrize("runtime", ISOLATING)
def test_run_is_emulated_by_every_runtime_and_a_stage_for_this_machine_is_not(
    foreign: Minibuild, project: Project, lock: Path, runtime: str
) -> None:
    require(root=True)
    root = project({"Dockerfile": DOCKERFILE})
    words = ("--progress=plain", "--platform", f"linux/{ARCHITECTURE}", "--runtime", runtime, "-t", "app")
    with emulated(lock):
        done = foreign("build", *words, root)
        ran = foreign("run", "--rm", "--runtime", runtime, "app")
    assert done.returncode == 0, done.stderr
    lines = {line.split(" ", 2)[-1] for line in done.stderr.splitlines()}
    [built] = {line for line in lines if line.startswith("built on")}
    assert built.endswith(f" for {ARCHITECTURE}") and MACHINE not in built
    assert f"run on {MACHINE} for linux/{ARCHITECTURE}" in lines
    assert (ran.returncode, ran.stdout) == (0, f"{MACHINE}\n")
    assert foreign.succeed("inspect", "--format", "{{.Architecture}}", "app") == f"{ARCHITECTURE}\n"


def test_a_plain_users_run_is_emulated_too(
    plain: Minibuild,
    foreign: Minibuild,  # noqa: ARG001  # its base is served
    project: Project,
    lock: Path,  # the bases are served
) -> None:
    root = project({"Dockerfile": DOCKERFILE})
    with emulated(lock):
        done = plain("build", "--progress=plain", "--platform", f"linux/{ARCHITECTURE}", root)
    assert done.returncode == 0, done.stderr
    assert f" run on {MACHINE} for linux/{ARCHITECTURE}\n" in done.stderr


def test_without_an_emulator_a_run_is_refused_before_anything_runs(
    foreign: Minibuild, project: Project, lock: Path
) -> None:
    root = project({"Dockerfile": DOCKERFILE})
    with binfmt_misc(lock) as is_there:
        if is_there:
            pytest.skip(f"this machine runs {ARCHITECTURE}'s programs")
        done = foreign("build", "--progress=plain", "--platform", f"linux/{ARCHITECTURE}", root)
    assert done.returncode == 6
    assert f"Dockerfile:7:1: error: RUN can't run linux/{ARCHITECTURE} programs on this machine" in done.stderr
    assert "hint: install one (apt-get install qemu-user-static); stages that only COPY build" in done.stderr
    assert "built on" not in done.stderr


def test_copying_and_configuring_need_no_emulator(foreign: Minibuild, project: Project) -> None:
    text = f"FROM busybox:{ARCHITECTURE}\nWORKDIR /new\nCOPY file .\nCMD cat file\n"
    root = project({"Dockerfile": text, "file": "text"})
    foreign.succeed("build", "--platform", f"linux/{ARCHITECTURE}", "-t", "app", root)
    assert foreign.succeed("inspect", "--format", "{{.Os}}/{{.Architecture}}", "app") == f"linux/{ARCHITECTURE}\n"
