"""Both builders at work on cases, each case once with each of them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.command import Minibuild
from tests.differential.cases import Case
from tests.differential.docker import BuildKit
from tests.differential.images import ArchiveReader, BuiltImage


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
    """Builds cases, two at a time.

    ``shared`` is a context below all cases' own. ``places`` are what ``{names}`` in their words stand for.
    """

    place: Path
    minibuild: Minibuild
    docker: BuildKit
    shared: Path | None = None
    places: Mapping[str, str] = field(default_factory=dict)
    reader: ArchiveReader = field(default_factory=ArchiveReader)
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2))
    _pairs: dict[str, Future[tuple[Build, Build | None]]] = field(default_factory=dict)

    def begin(self, cases: Iterable[Case]) -> None:
        """Starts to build cases by all builders that they are for."""
        for case in cases:
            if case.name not in self._pairs:
                self._pairs[case.name] = self._pool.submit(self._pair, case)

    def begin_asked(self, request: pytest.FixtureRequest) -> None:
        """Starts to build the cases that this run asks a test file's tests about."""
        asked = [item.callspec.params["case"] for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
        self.begin(case for case in asked if isinstance(case, Case))

    def ours(self, case: Case) -> Build:
        """minibuild's build."""
        self.begin([case])
        return self._pairs[case.name].result()[0]

    def both(self, case: Case) -> tuple[Build, Build]:
        """Ours and Docker's."""
        self.begin([case])
        ours, dockers = self._pairs[case.name].result()
        assert dockers is not None, f"{case.name} isn't for Docker"
        return ours, dockers

    def ours_with(self, case: Case, *options: str, place: Path | None = None) -> Build:
        """A case built by minibuild once more, with options and in a store of their own, which may be elsewhere."""
        self.ours(case)
        return self._by_minibuild(case, *options, place=place)

    def close(self) -> None:
        """Builds no more."""
        self._pool.shutdown(cancel_futures=True)

    def _pair(self, case: Case) -> tuple[Build, Build | None]:
        case.lay_out(self.place / case.name, self.shared)
        return self._by_minibuild(case), self._by_docker(case) if case.is_for_docker else None

    def _words(self, case: Case) -> list[str]:
        return ["-t", case.tag, *case.words({**self.places, "context": str(self.place / case.name)})]

    def _by_minibuild(self, case: Case, *options: str, place: Path | None = None) -> Build:
        archive = self.place / f"{case.name}.ours.tar"
        minibuild = replace(self.minibuild, root=(place or self.place) / "-".join(["store", *options]))
        words = [*self._words(case), "-o", f"type=docker,dest={archive}", *options]
        done = minibuild("build", *words, self.place / case.name, timeout=120)
        return Build(done, None if done.returncode else self._read(archive))

    def _by_docker(self, case: Case) -> Build:
        archive, context = self.place / f"{case.name}.dockers.tar", self.place / case.name
        dockerfile = case.docker_dockerfile(context, self.place / f"{case.name}.Dockerfile")
        done = self.docker.build(context, dockerfile, self._words(case))
        if done.returncode:
            return Build(done, None)
        self.docker.daemon.run("save", "-o", str(archive), case.tag)
        return Build(done, self._read(archive))

    def _read(self, archive: Path) -> BuiltImage:
        [image] = self.reader.read(archive).values()
        archive.unlink()
        return image
