"""Every ``fixtures/differential/<case>/``, built by minibuild and by Docker's BuildKit: both make the same image."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))
    _pairs: dict[str, Future[tuple[Build, Build]]] = field(default_factory=dict)

    def begin(self, cases: Iterable[Case]) -> None:
        """Starts to build cases by both builders, two at a time."""
        for case in cases:
            if case.name not in self._pairs:
                self._pairs[case.name] = self._pool.submit(self._both, case)

    def both(self, case: Case) -> tuple[Build, Build]:
        """Ours and Docker's."""
        self.begin([case])
        return self._pairs[case.name].result()

    def ours_with(self, case: Case, *options: str) -> Build:
        """A case built by minibuild once more, with options and in a store of their own."""
        self.both(case)
        return self._by_minibuild(case, *options)

    def close(self) -> None:
        """Builds no more."""
        self._pool.shutdown(cancel_futures=True)

    def _both(self, case: Case) -> tuple[Build, Build]:
        case.lay_out(self.place / "shared", self.place / case.name)
        return self._by_minibuild(case), self._by_docker(case)

    def _by_minibuild(self, case: Case, *options: str) -> Build:
        archive = self.place / f"{case.name}.ours.tar"
        minibuild = replace(self.minibuild, root=self.place / "-".join(["store", *options]))
        output = ["-t", case.tag, "-o", f"type=docker,dest={archive}", *case.arguments, *options]
        done = minibuild("build", *output, self.place / case.name, timeout=120)
        return Build(done, None if done.returncode else self._read(archive))

    def _by_docker(self, case: Case) -> Build:
        archive, context = self.place / f"{case.name}.dockers.tar", self.place / case.name
        done = self.docker.build(context, context / case.docker_dockerfile, ["-t", case.tag, *case.arguments])
        if done.returncode:
            return Build(done, None)
        self.docker.daemon.run("save", "-o", str(archive), case.tag)
        return Build(done, self._read(archive))

    def _read(self, archive: Path) -> BuiltImage:
        [image] = self.reader.read(archive).values()
        archive.unlink()
        return image


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
    workshop = Workshop(place, Minibuild(place).with_mirror(registry), BuildKit.of(dockerd))
    asked = [item.callspec.params["case"] for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
    workshop.begin(case for case in asked if isinstance(case, Case))
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


@pytest.mark.parametrize(("snapshotter", "case"), list(product(list(snapshots.TABLE)[1:], CHANGING)))
def test_the_other_snapshotters_make_the_same_layers(workshop: Workshop, snapshotter: str, case: str) -> None:
    ours, _ = workshop.both(BY_NAME[case])
    assert workshop.ours_with(BY_NAME[case], "--snapshotter", snapshotter).image.layers == ours.image.layers


@pytest.mark.parametrize(("runtime", "case"), list(product(list(runtimes.TABLE)[1:], PROCESSES)))
def test_the_other_runtimes_make_the_same_layers(workshop: Workshop, runtime: str, case: str) -> None:
    ours, _ = workshop.both(BY_NAME[case])
    assert workshop.ours_with(BY_NAME[case], "--runtime", runtime).image.layers == ours.image.layers
