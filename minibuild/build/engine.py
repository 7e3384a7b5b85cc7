"""The engine: stages as they are asked for, the target first, each step of each stage in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from minibuild.build import running
from minibuild.build.accounts import accounts_in
from minibuild.build.bases import Bases
from minibuild.build.committing import ChainedLayer, Committer
from minibuild.build.context import DirectoryContext, open_context, read_dockerfile
from minibuild.build.journal import Activity, Journal
from minibuild.build.origins import Origins
from minibuild.build.request import BuildRequest, BuildResult
from minibuild.build.rootfs import RootFilesystems
from minibuild.build.stage import StageBuild, StageResult
from minibuild.build.threads import in_thread
from minibuild.checks import check
from minibuild.errors import UnavailableError, UsageError, did_you_mean
from minibuild.events import Progress
from minibuild.instructions.effects import FromStage, RunCommand
from minibuild.layers.entry import Change
from minibuild.layers.tree import Tree
from minibuild.oci import Image, Platform
from minibuild.plan import Options, Plan, Stage, Step, plan
from minibuild.plan.reading import read
from minibuild.plan.scope import PROXIES
from minibuild.runtimes.base import Cancellation, Runtime
from minibuild.store import Store


def build(request: BuildRequest, store: Store, progress: Progress, cancellation: Cancellation) -> BuildResult:
    """Builds the target's image into the store, under the tags asked for.

    The work is done in a thread of its own, so that the mount namespace it may need is no business of the caller's.
    Raises MinibuildError for what a person can mend, KeyboardInterrupt when cancelled.
    """
    journal = Journal(progress)
    return in_thread(lambda: _build(request, store, journal, cancellation), cancellation)


def _build(request: BuildRequest, store: Store, journal: Journal, cancellation: Cancellation) -> BuildResult:
    context = open_context(request.context)
    source, ignore = read_dockerfile(request.context, request.dockerfile)
    bases = Bases(
        store,
        journal,
        cancellation,
        mirrors=request.mirrors,
        environment=request.environment,
        named=request.named_contexts,
        pull=request.pull,
    )
    dockerfile = read(source)
    planned = check(dockerfile, plan(dockerfile, bases.lookup, _options(request)))
    for finding in planned.findings:
        journal.warn(finding)
    committer = Committer(store)
    context = replace(context, ignore=ignore, report=journal.warn)
    engine = Engine(request, store, journal, cancellation, planned, context, bases, committer)
    try:
        return engine.build()
    finally:
        committer.close()


def _options(request: BuildRequest) -> Options:
    return Options(
        build_arguments=request.build_arguments,
        target=request.target,
        platform=request.platform,
        labels=request.labels,
        proxies=tuple((name, request.environment[name]) for name in PROXIES if request.environment.get(name)),
        contexts=frozenset(name.lower() for name in request.named_contexts),
    )


@dataclass
class Engine:
    """One build under way: what its stages share, and the results of those that were built."""

    request: BuildRequest
    store: Store
    journal: Journal
    cancellation: Cancellation
    plan: Plan
    context: DirectoryContext
    bases: Bases
    committer: Committer
    _results: dict[int, StageResult] = field(default_factory=dict)
    _steps: int = 0
    _cached: int = 0

    def build(self) -> BuildResult:
        """Builds the target and names it."""
        self._check_platforms()
        self._check_cache_filters()
        image = self.stage(self.plan.target).image
        if self.plan.labels:
            labels = {**image.config.config.labels, **self.plan.labels}
            config = replace(image.config.config, labels=MappingProxyType(labels))
            image = Image.compose(replace(image.config, config=config), image.layers)
            self.store.put_image(image)
        self.store.images.keep(image)
        for tag in self.request.tags:
            self.store.images.tag(tag, image)
        return BuildResult(image, self._steps, self._cached, self.journal.findings)

    def stage(self, index: int) -> StageResult:
        """The result of a stage, built when first asked for."""
        if index not in self._results:
            self._results[index] = self._build_stage(self.plan.stages[index])
        return self._results[index]

    def _build_stage(self, stage: Stage) -> StageResult:
        base = self._base(stage)
        name = stage.name or f"stage-{stage.index}"
        state = StageBuild(self, name, self._uses_cache(stage), base.image, list(base.layers), base.key)
        total = 1 + sum(step.effect is not None for step in stage.steps)
        for step in stage.steps:
            if self.cancellation:
                raise KeyboardInterrupt
            state.perform(step, self._title(stage, state.steps + 2, total, step))
        result = state.result()
        self._steps += state.steps
        self._cached += state.cached
        return result

    def _title(self, stage: Stage, number: int, total: int, step: Step) -> str:
        name = (stage.name or f"stage-{stage.index}") + " " if len(self.plan.order) > 1 else ""
        return f"[{name}{number}/{total}] {step.statement.original}"

    def _base(self, stage: Stage) -> StageResult:
        match stage.base:
            case FromStage(index):
                return self.stage(index)
            case _:
                return StageResult.of_image(stage.image or Image.scratch(stage.platform))

    def _uses_cache(self, stage: Stage) -> bool:
        names = {stage.name.lower(), str(stage.index)} - {""}
        return not self.request.no_cache and not names & {name.lower() for name in self.request.no_cache_stages}

    def _is_cached_throughout(self, index: int) -> bool:
        stage = self.plan.stages[index]
        return self._uses_cache(stage) and all(map(self._is_cached_throughout, stage.needs))

    def _check_cache_filters(self) -> None:
        known = {stage.name.lower() for stage in self.plan.stages if stage.name}
        known |= {str(stage.index) for stage in self.plan.stages}
        for name in sorted(self.request.no_cache_stages):
            if name.lower() not in known:
                raise UsageError(f"--no-cache-filter names no stage: {name!r}", hint=did_you_mean(name, sorted(known)))

    def _check_platforms(self) -> None:
        here = Platform.of_this_machine()
        for stage in (self.plan.stages[index] for index in self.plan.order):
            for step in stage.steps:
                if isinstance(step.effect, RunCommand) and stage.platform.architecture != here.architecture:
                    raise UnavailableError(
                        f"RUN can't run {stage.platform} programs on this machine, which is {here}",
                        span=step.statement.span,
                        hint=f"build on {stage.platform}, or leave RUN out: COPY-only stages build for any platform",
                    )

    @cached_property
    def origins(self) -> Origins:
        """The files that steps copy."""
        return Origins(
            self.plan,
            self.context,
            self.bases,
            self.request.platform,
            self.journal,
            stage_image=lambda index: self.stage(index).image,
            uses_cache=self._is_cached_throughout,
            tree_of=self.tree_of,
        )

    def tree_of(self, image: Image) -> Tree:
        """An image's files, for looking things up and reading them."""
        return Tree([(layer, self.store.index(layer)) for layer in image.layers], self.store.open_tar)

    @cached_property
    def created(self) -> str:
        """When what this build makes was made, RFC 3339 in UTC."""
        return rfc3339(time.time() if self.request.source_date_epoch is None else self.request.source_date_epoch)

    def made_at(self, below: Image) -> int:
        """The time of directories that have no model: as old as what they stand on, so that they are the same
        again.
        """
        if self.request.source_date_epoch is not None:
            return self.request.source_date_epoch
        return seconds_of(below.config.created)

    @cached_property
    def _root_filesystems(self) -> RootFilesystems:
        from minibuild import snapshots

        return RootFilesystems(self.store, snapshots.choose(self.store.root, self.request.snapshotter or None))

    @cached_property
    def _runtime(self) -> Runtime:
        from minibuild import runtimes

        return runtimes.choose(self.request.runtime or None, self.store.root / "runtimes.json")

    def run(
        self, step: Step, effect: RunCommand, layers: Sequence[ChainedLayer], chain: str, activity: Activity
    ) -> Callable[[], Iterable[Change]]:
        """Runs a command on top of layers and seals the tree under a chain; answers what lists its changes."""
        runtime = self._runtime
        with self._root_filesystems.workspace(layers) as workspace:
            account = accounts_in(workspace.root).account(effect.user)
            with running.process(effect, account, self.store.scratch) as process:
                running.run(
                    running.Command(str(step.statement.body), step.statement.span),
                    lambda output: runtime.run(process, workspace.root, output, self.cancellation),
                    activity.output,
                    self.cancellation,
                )
            return workspace.commit(chain).changes


def rfc3339(seconds: float) -> str:
    """A time as image configurations write it, in UTC."""
    from datetime import UTC, datetime

    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="auto")
    return text.replace("+00:00", "Z")


def seconds_of(created: str) -> int:
    """The whole seconds of an RFC 3339 time; 0 where it is none."""
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return 0
