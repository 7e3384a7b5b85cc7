"""Every ``fixtures/differential/<case>/``, built by minibuild and by Docker's BuildKit: both make the same image."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import pytest

from minibuild import runtimes, snapshots
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.differential import comparison
from tests.differential.cases import CASES, Case
from tests.differential.context import make_context
from tests.differential.docker import BuildKit
from tests.differential.images import ArchiveReader, BuiltImage

pytestmark = pytest.mark.e2e

SUCCEEDING = [pytest.param(case, id=case.name) for case in CASES if not case.exit_code]
FAILING = [pytest.param(case, id=case.name) for case in CASES if case.exit_code]
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


@dataclass(frozen=True)
class Build:
    """A build that ended, and its image if it succeeded."""

    process: subprocess.CompletedProcess[str]
    built: BuiltImage | None

    @property
    def image(self) -> BuiltImage:
        """The image; fails with what the builder said where there is none."""
        assert self.built is not None, (
            f"{self.process.args} ended with {self.process.returncode}\n{self.process.stderr}"
        )
        return self.built


@dataclass
class Workshop:
    """Builds cases, each once with each builder."""

    place: Path
    minibuild: Minibuild
    docker: BuildKit
    reader: ArchiveReader = field(default_factory=ArchiveReader)
    _contexts: dict[str, Path] = field(default_factory=dict)
    _pairs: dict[str, tuple[Build, Build]] = field(default_factory=dict)

    def both(self, case: Case) -> tuple[Build, Build]:
        """Ours and Docker's, built at the same time."""
        if case.name not in self._pairs:
            context = self._context(case)
            with ThreadPoolExecutor(1) as pool:
                dockers = pool.submit(self._by_docker, case, context)
                self._pairs[case.name] = (self.ours(case), dockers.result())
        return self._pairs[case.name]

    def ours(self, case: Case, *options: str) -> Build:
        """A case built by minibuild; what is built with other options is built in another store."""
        archive = self.place / "ours.tar"
        minibuild = replace(self.minibuild, root=self.place / "-".join(["store", *options]))
        output = ["-t", case.tag, "-o", f"type=docker,dest={archive}", *case.arguments, *options]
        done = minibuild("build", *output, self._context(case), timeout=120)
        return Build(done, None if done.returncode else self._read(archive))

    def _by_docker(self, case: Case, context: Path) -> Build:
        archive = self.place / "dockers.tar"
        done = self.docker.build(context, context / case.docker_dockerfile, ["-t", case.tag, *case.arguments])
        if done.returncode:
            return Build(done, None)
        self.docker.daemon.run("save", "-o", str(archive), case.tag)
        return Build(done, self._read(archive))

    def _context(self, case: Case) -> Path:
        if case.name not in self._contexts:
            self._contexts[case.name] = case.lay_out(self.place / "shared", self.place / case.name)
        return self._contexts[case.name]

    def _read(self, archive: Path) -> BuiltImage:
        [image] = self.reader.read(archive).values()
        return image


@pytest.fixture(scope="module")
def workshop(
    tmp_path_factory: pytest.TempPathFactory, registry: Registry, dockerd: Dockerd, busybox_base: BaseImage
) -> Workshop:
    """Both builders, with the same base."""
    place = tmp_path_factory.mktemp("differential")
    make_context(place / "shared")
    dockerd.run("load", "-i", str(busybox_base.archive))
    return Workshop(place, Minibuild(place).with_mirror(registry), BuildKit.of(dockerd))


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


@pytest.mark.parametrize(("snapshotter", "case"), list(product(list(snapshots.TABLE)[1:], CHANGING)))
def test_the_other_snapshotters_make_the_same_layers(workshop: Workshop, snapshotter: str, case: str) -> None:
    ours, _ = workshop.both(BY_NAME[case])
    assert workshop.ours(BY_NAME[case], "--snapshotter", snapshotter).image.layers == ours.image.layers


@pytest.mark.parametrize(("runtime", "case"), list(product(list(runtimes.TABLE)[1:], PROCESSES)))
def test_the_other_runtimes_make_the_same_layers(workshop: Workshop, runtime: str, case: str) -> None:
    ours, _ = workshop.both(BY_NAME[case])
    assert workshop.ours(BY_NAME[case], "--runtime", runtime).image.layers == ours.image.layers
