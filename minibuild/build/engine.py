"""The engine: stages as they are asked for, the target first, each step of each stage in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from minibuild.build.annotations import MANIFEST, said_of
from minibuild.build.attesting.attaching import Attaching
from minibuild.build.committing import ChainedLayer, Committer
from minibuild.build.inner import NeedsNamespace, Work, perform_as_root
from minibuild.build.inputs import Access, open_inputs
from minibuild.build.journal import Activity, Journal
from minibuild.build.leaks import report_in_history
from minibuild.build.lookup import Lookup
from minibuild.build.mounting import Mounting
from minibuild.build.origins import Origins
from minibuild.build.planning import arrived_caches, planned
from minibuild.build.platforms import check_platforms
from minibuild.build.request import BuildRequest, BuildResult, Target
from minibuild.build.rootfs import chained
from minibuild.build.scheduler import Scheduler
from minibuild.build.several import each_of, joined, platform_title, told_platform
from minibuild.build.stage import StageBuild, StageResult
from minibuild.build.supplying import Supply
from minibuild.build.surroundings import check_permissions
from minibuild.build.threads import in_thread
from minibuild.build.travelling.collecting import Collected, Collector, below
from minibuild.build.travelling.document import TravellingMount
from minibuild.build.travelling.inline import with_cache, without_cache
from minibuild.checks import heeding
from minibuild.errors import Finding, MinibuildError, UsageError, did_you_mean
from minibuild.events import Progress
from minibuild.instructions.effects import FromContext, FromImage, FromStage, Origin, RunCommand
from minibuild.layers.entry import Change
from minibuild.layers.tree import Tree
from minibuild.oci import Image, ImageConfig, Platform
from minibuild.oci.times import rfc3339
from minibuild.plan import Stage, Step
from minibuild.plan.steps import stages_copied_from
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store
from minibuild.store.promises import LostLayers
from minibuild.values import dataclass, field, replace

if TYPE_CHECKING:
    # A cached build runs nothing, and must not pay for what could.
    from minibuild.build.grounds import Ground
    from minibuild.build.rewriting import Rewriting


def build(request: BuildRequest, store: Store, progress: Progress, cancellation: Cancellation) -> BuildResult:
    """Builds the target's image into the store, under the tags asked for.

    The work is done in a thread of its own, so that the mount namespace it may need is no business of the caller's.
    Raises MinibuildError for what a person can mend, KeyboardInterrupt when cancelled.
    """
    journal = Journal(progress)
    request = replace(request, surroundings=request.surroundings.told(request.build_arguments))
    return in_thread(lambda: _build(request, store, journal, cancellation), cancellation)


def _build(request: BuildRequest, store: Store, journal: Journal, cancellation: Cancellation) -> BuildResult:
    attaching = Attaching(store, journal)
    arrived = arrived_caches(request, store, journal, cancellation)
    access = replace(Access.of(request), scratch=store.scratch, journal=journal, cancellation=cancellation)
    with open_inputs(request.context, request.dockerfile, access) as inputs:
        with ExitStack() as stack:
            works = [stack.enter_context(planned(one, inputs, store, access, arrived)) for one in each_of(request)]
            for work in works:
                check_platforms(work.plan)
            results = _performed(works, store, journal, cancellation)
            results = [attaching.attached(*done, inputs.digests) for done in zip(works, results, strict=True)]
        return joined(request, results, store)


def _performed(
    works: Sequence[Work], store: Store, journal: Journal, cancellation: Cancellation
) -> Sequence[BuildResult]:
    """What each platform's work comes to, one after the other; what one has done the next takes."""
    results: list[BuildResult] = []
    for work in works:
        done = frozenset(key for result in results for key in result.keys.values())
        with told_platform(work.request):
            results.append(perform_as_root(perform, replace(work, done=done), store, journal, cancellation))
    return results


def perform(work: Work, store: Store, journal: Journal, cancellation: Cancellation) -> BuildResult:
    """Does the steps of a build that is planned."""
    journal.heeds = heeding(work.dockerfile, work.request.build_arguments)
    store.supplier = Supply(store, journal, cancellation, work.request.mirrors, work.request.environment)
    while True:
        committer = Committer(store)
        engine = Engine(work, store, journal, cancellation, committer)
        try:
            return engine.build()
        except LostLayers as lost:
            # Each time there is a record less that could promise too much.
            message = f"what is cached can't be had, and is made again: {lost.message}"
            journal.warn(Finding("CacheUnavailable", message))
        finally:
            committer.close()
            engine.close()
            store.records.mark_used()


@dataclass
class Engine:
    """One build under way: what its stages share, and the results of those that were built."""

    work: Work
    store: Store
    journal: Journal
    cancellation: Cancellation
    committer: Committer
    _counts: list[tuple[int, int]] = field(default_factory=list)
    _keys: dict[tuple[int, int], str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.request, self.plan, self.bases = self.work.request, self.work.plan, self.work.bases
        epoch = self.request.source_date_epoch
        self.began = rfc3339(time.time())
        """When this build began, RFC 3339 in UTC."""
        self.created = self.began if epoch is None else rfc3339(epoch)
        """When what this build makes was made, RFC 3339 in UTC."""
        self.stop = Cancellation()
        """Ends all that runs for this build: the caller's wish, or a stage that failed."""
        self.stages = Scheduler(self._build_stage, self.stop)
        """The results of stages, each built when first asked for."""
        self.origins = Origins(
            self.plan,
            self.work.context,
            self.bases,
            self.request.platform,
            self.journal,
            stage_image=lambda index: self.stages.result(index).image,
            tree_of=self.tree_of,
        )
        """The files that steps copy."""
        self.lookup = Lookup(self.origins, self.request.surroundings, self.may_stay_unbuilt)
        """What the cache has of steps."""
        self.mounting = Mounting(
            self.store, self.origins, self.request.surroundings, self._layers, self.stop, self.work.arrived
        )
        """What RUNs have mounted."""
        self.collector = Collector(self.store.records, bool(self.request.caches.destinations))
        """What this build has for caches that travel."""

    def build(self) -> BuildResult:
        """Builds the targets and names them."""
        check_permissions(self.plan, self.request.surroundings)
        report_in_history(self.plan, self.request.surroundings.secrets, self.journal.warn)
        self._check_cache_filters()
        results = self._results()
        steps, cached = (sum(counts) for counts in zip(*self._counts, strict=True))
        keys = dict(self._keys)
        if self.request.caches.has_all_stages or self.request.rewrites_times:
            self._look_at_the_rest()
        targets = tuple(self._finished(index, results[index].image) for index in self.plan.targets)
        collected = self._collected()
        return BuildResult(targets[-1].image, steps, cached, self.journal.findings, targets, collected, keys)

    def _look_at_the_rest(self) -> None:
        """Looks those stages up in the cache that nothing was wanted of; nothing is made any more."""
        self.work, supplier = replace(self.work, only_looks=True), self.store.supplier
        # That a stage isn't cached is no failure here; some were cancelled when nobody wanted them any more.
        self.stages.forget_failures(Cancellation())
        self.stop, self.store.supplier = self.cancellation, None
        with self.journal.holding() as forget:
            for index in self.plan.order:
                with suppress(NeedsNamespace, MinibuildError):
                    self.stages.result(index)
            forget()
        self.store.supplier = supplier

    def _collected(self) -> Collected:
        """What caches that travel are made of."""
        caches = self.request.caches
        return self.collector.collected(self.plan, self._packed_mounts(caches.mounts) if caches.mounts else ())

    def _packed_mounts(self, wanted: frozenset[str]) -> tuple[TravellingMount, ...]:
        from minibuild.build.travelling.mounts import MountPacking, mounts_of, warn_of_unknown

        warn_of_unknown(self.plan, wanted, self.journal)
        names = {self.mounting.cache_name(one): one.id for one in mounts_of(self.plan) if one.id in wanted}
        used = frozenset(self.mounting.used)
        packing = MountPacking(self.store, self.journal, self.cancellation, self.work.arrived, used)
        return tuple(packing.pack(names))

    def _results(self) -> dict[int, StageResult]:
        """What the stages came to that were asked for; several are built side by side."""
        wanted = self.plan.order if self.request.all_stages else self.plan.targets
        with self.cancellation.telling(self.stop.set):
            if self.cancellation:
                raise KeyboardInterrupt
            try:
                for index in wanted if len(wanted) > 1 else ():
                    self.stages.start(index)
                return {index: self.stages.result(index) for index in wanted}
            except BaseException as error:
                # What the failure of one stage stopped in the others is not what went wrong.
                raise (error if self.cancellation else self.stages.first_error or error) from None
            finally:
                self.stages.close()

    def _finished(self, index: int, image: Image) -> Target:
        """A target under its names, with the labels that results get, and for the platform asked for."""
        base = self.plan.base_of(index)
        if self.request.rewrites_times:
            image = self.rewriting.image(index)
        if self.request.squash:
            image = self._squashed(index, image, base)
        config = image.config
        if self.plan.labels:
            labels = MappingProxyType({**config.config.labels, **self.plan.labels})
            config = replace(config, config=replace(config.config, labels=labels))
        if self.request.platform != Platform.of_this_machine():
            # Whatever its FROM is for: that is how images of data alone are made on one platform for all.
            config = replace(config, platform=self.request.platform)
        config = self._told(config, index)
        if config != image.config:
            image = Image.compose(config, image.layers)
        image = image.annotated(said_of(self.request.annotations, MANIFEST, self.request.platform))
        self.store.put_image(image)
        if not self.request.leaves_layers:
            self.store.fetch(layer.descriptor for layer in image.layers)
        self.store.images.keep(image)
        stage = self.plan.stages[index]
        tags = self.request.tags_of(index, stage.name, is_last=index == self.plan.target)
        target = Target(index, stage.name, image, tags)
        for tag in () if self.request.platforms else target.tags:  # of several, the index has them
            self.store.images.tag(tag, image)
        return target

    def _squashed(self, index: int, image: Image, base: Image) -> Image:
        """A target's image in fewer layers."""
        from minibuild.build.squashing import squashed, stages_below

        below = [Image.scratch(base.config.platform) if self.request.squash == "all" else base]
        if self.request.squash == "stage":
            whole = self.rewriting.image if self.request.rewrites_times else lambda at: self.stages.result(at).image
            below += map(whole, stages_below(self.plan, index))
        return squashed(image, below, self.store)

    def _told(self, config: ImageConfig, index: int) -> ImageConfig:
        """The configuration of a stage's image with the cache that it is to carry, and without that of its base."""
        if not self.request.caches.is_inline:
            return without_cache(config)
        return with_cache(config, self.collector.of(below(self.plan, index)), self.request.caches.key)

    def _build_stage(self, index: int) -> StageResult:
        stage = self.plan.stages[index]
        base = self._base(stage)
        state = StageBuild(self, stage, self._uses_cache(stage), base.image, list(base.layers), base.key)
        total = 1 + sum(step.effect is not None for step in stage.steps)
        for step in stage.steps:
            if self.stop:
                raise KeyboardInterrupt
            state.perform(step, self._title(stage, state.steps + 2, total, step))
            self._keys[index, step.number] = state.key
        result = state.result()
        self._counts.append((state.steps, state.cached))
        return result

    def expect_misses(self, steps: Sequence[Step]) -> None:
        """The first of these has to be done, so most likely the rest too: the stages they copy from are begun."""
        if self.work.only_looks:
            raise NeedsNamespace
        for index in sorted(stages_copied_from(steps)):
            self.stages.start(index)

    def _title(self, stage: Stage, number: int, total: int, step: Step) -> str:
        name = (stage.name or f"stage-{stage.index}") + " " if len(self.plan.order) > 1 else ""
        return f"[{platform_title(self.request, stage.platform)}{name}{number}/{total}] {step.statement.original}"

    def _base(self, stage: Stage) -> StageResult:
        match stage.base:
            case FromStage(index):
                return self.stages.result(index)
            case _:
                return StageResult.of_image(stage.image or Image.scratch(stage.platform))

    def _uses_cache(self, stage: Stage) -> bool:
        names = {stage.name.lower(), str(stage.index)} - {""}
        return not self.request.no_cache and not names & {name.lower() for name in self.request.no_cache_stages}

    def may_stay_unbuilt(self, origin: Origin) -> bool:
        """Files from there may be taken from the cache by its name: it is no stage that is to be built anew."""
        if not isinstance(origin, FromStage):
            return True
        stage = self.plan.stages[origin.stage]
        return self._uses_cache(stage) and all(self.may_stay_unbuilt(FromStage(index)) for index in stage.needs)

    def _check_cache_filters(self) -> None:
        known = {stage.name.lower() for stage in self.plan.stages if stage.name}
        known |= {str(stage.index) for stage in self.plan.stages}
        for name in sorted(self.request.no_cache_stages):
            if name.lower() not in known:
                raise UsageError(f"--no-cache-filter names no stage: {name!r}", hint=did_you_mean(name, sorted(known)))

    def tree_of(self, image: Image) -> Tree:
        """An image's files, for looking things up and reading them."""
        self.store.fetch(layer.descriptor for layer in image.layers if not self.store.has_index(layer))
        return Tree([(layer, self.store.index(layer)) for layer in image.layers], self.store.open_tar)

    def _ground(self) -> Ground:
        """Where RUN is carried out, looked for when the first one comes; any stage's thread may be that one."""
        with self._lock:
            return self._found_ground

    @cached_property
    def _found_ground(self) -> Ground:
        from minibuild.build import grounds

        return grounds.found(self)

    @cached_property
    def rewriting(self) -> Rewriting:
        """Results with their times cut down, where that is asked for."""
        from minibuild.build.rewriting import Rewriting

        return Rewriting(self)

    def _layers(self, origin: Origin) -> Sequence[ChainedLayer]:
        match origin:
            case FromStage(index):
                return self.stages.result(index).layers
            case FromImage(name):
                return chained(self.bases.lookup(name, self.request.platform))
            case FromContext():
                raise AssertionError("the context has no layers")

    def run(
        self, step: Step, effect: RunCommand, layers: Sequence[ChainedLayer], chain: str, activity: Activity
    ) -> Callable[[], Iterable[Change]]:
        """Runs a command on top of layers and seals the tree under a chain; answers what lists its changes."""
        return self._ground().run(step, effect, layers, chain, activity)

    def close(self) -> None:
        """Throws away what was made for this build alone."""
        if "_found_ground" in self.__dict__:
            self._found_ground.close()
        self.mounting.close()
