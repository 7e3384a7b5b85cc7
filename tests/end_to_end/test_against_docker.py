"""Every ``fixtures/differential/<case>/``, built by minibuild and by Docker's BuildKit: both make the same image."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from minibuild.runtimes.table import ISOLATING
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.differential import comparison
from tests.differential.cases import CASES, Case
from tests.differential.context import make_context
from tests.differential.docker import BuildKit
from tests.differential.workshop import Workshop
from tests.filesystems import SNAPSHOTTERS

pytestmark = pytest.mark.e2e

SUCCEEDING = [pytest.param(case, id=case.name) for case in CASES if not case.exit_code]
FAILING = [pytest.param(case, id=case.name) for case in CASES if case.exit_code and not case.is_refused]
REFUSED = [pytest.param(case, id=case.name) for case in CASES if case.is_refused]
SAME_HISTORY = [pytest.param(case, id=case.name) for case in CASES if not case.exit_code and not case.is_only_here]
BY_NAME = {case.name: case for case in CASES}
# What a RUN can change, which snapshotters find out; what it sees and leaves, which is up to runtimes.
CHANGING = (
    "run-changes-modes",
    "run-content-of-the-same-size-and-time",
    "run-deletes",
    "run-names",
    "run-recreates",
    "run-renames",
    "run-replaces",
    "run-special-files",
    "run-symlinks",
    "run-writes-much",
)
PROCESSES = (
    "run-environment",
    "run-heredocs",
    "run-leaves-mount-points",
    "run-limits",
    "user-of-a-run",
    "workdir-removed",
)
# What isn't promised, as the README says.
FAULTS = {
    ("fuse-overlayfs", "run-changes-modes"): "it loses setuid bits when it copies a file up",
    ("fuse-overlayfs", "run-names"): "it takes names of up to 251 bytes",
    ("fuse-overlayfs", "run-special-files"): "it copies no named pipe up",
    ("podman", "run-limits"): "it shows /etc and /run though the image has none",
    ("podman", "user-of-a-run"): "it gives a program its own group a second time",
}


@pytest.fixture(scope="module")
def workshop(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    registry: Registry,
    dockerd: Dockerd,
    busybox_base: BaseImage,
) -> Iterator[Workshop]:
    """Both builders with the same base, at work on the cases that this run asks for."""
    place = tmp_path_factory.mktemp("differential")
    make_context(place / "shared")
    dockerd.run("load", "-i", str(busybox_base.archive))
    workshop = Workshop(place, Minibuild(place).with_mirror(registry), BuildKit.of(dockerd), place / "shared")
    workshop.begin_asked(request)
    yield workshop
    workshop.close()


@pytest.mark.parametrize("case", SUCCEEDING)
def test_files_are_those_that_docker_makes(workshop: Workshop, case: Case) -> None:
    ours, dockers = workshop.both(case)
    assert comparison.files_of(ours.image, case) == comparison.files_of(dockers.image, case)


@pytest.mark.parametrize("case", SUCCEEDING)
def test_the_configuration_is_the_one_that_docker_makes(workshop: Workshop, case: Case) -> None:
    ours, dockers = workshop.both(case)
    assert comparison.configuration_of(ours.image) == comparison.configuration_of(dockers.image)


@pytest.mark.parametrize("case", SAME_HISTORY)
def test_the_history_is_the_one_that_docker_writes(workshop: Workshop, case: Case) -> None:
    ours, dockers = workshop.both(case)
    assert comparison.history_of(ours.image) == comparison.history_of(dockers.image)


@pytest.mark.parametrize("case", FAILING)
def test_what_docker_refuses_fails_with_the_exit_code_of_its_kind(workshop: Workshop, case: Case) -> None:
    ours, dockers = workshop.both(case)
    assert dockers.process.returncode != 0
    assert ours.process.returncode == case.exit_code, ours.process.stderr


@pytest.mark.parametrize("case", REFUSED)
def test_what_only_minibuild_refuses_fails_with_the_exit_code_of_its_kind(workshop: Workshop, case: Case) -> None:
    ours, dockers = workshop.both(case)
    assert dockers.process.returncode == 0, dockers.process.stderr
    assert ours.process.returncode == case.exit_code, ours.process.stderr


@pytest.mark.parametrize(("snapshotter", "case"), sorted({*product(SNAPSHOTTERS[1:], CHANGING)} - FAULTS.keys()))
def test_the_other_snapshotters_make_the_same_layers(
    workshop: Workshop, btrfs: Path, snapshotter: str, case: str
) -> None:
    ours, _ = workshop.both(BY_NAME[case])
    theirs = workshop.ours_with(BY_NAME[case], "--snapshotter", snapshotter, place=btrfs)
    assert theirs.image.layers == ours.image.layers


@pytest.mark.parametrize(("runtime", "case"), sorted({*product(ISOLATING[1:], PROCESSES)} - FAULTS.keys()))
def test_the_other_runtimes_make_the_same_layers(workshop: Workshop, runtime: str, case: str) -> None:
    ours, _ = workshop.both(BY_NAME[case])
    assert workshop.ours_with(BY_NAME[case], "--runtime", runtime).image.layers == ours.image.layers
