"""What a build would find in the cache, told without building: each step is looked up as the build would do it.

What can't be known before something is made is not guessed: the files that a stage comes to, what a server answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from minibuild.build.ahead import StageAhead
from minibuild.build.context import DirectoryContext
from minibuild.build.epoch import Sources, dated
from minibuild.build.explaining import explain
from minibuild.build.glance import Glance, NothingFetched, NotKnown
from minibuild.build.inputs import Access, open_inputs
from minibuild.build.journal import Journal
from minibuild.build.lookup import Found, Lookup, place_of, stages_awaited, stands_alone
from minibuild.build.named import open_contexts
from minibuild.build.origins import Origins
from minibuild.build.platforms import check_platforms
from minibuild.build.request import BuildRequest
from minibuild.build.surroundings import check_permissions
from minibuild.build.window import window_on
from minibuild.checks import check
from minibuild.dockerfile.statements import Dockerfile
from minibuild.errors import ImageError, MinibuildError, UsageError
from minibuild.events import silent
from minibuild.instructions.effects import FromImage, FromStage, Origin
from minibuild.layers.index import Index
from minibuild.layers.tree import Tree
from minibuild.oci import Image, Layer
from minibuild.plan import Plan, Stage, Step, plan
from minibuild.plan.reading import read
from minibuild.plan.steps import stages_copied_from
from minibuild.runtimes.base import Cancellation
from minibuild.source import Span
from minibuild.store import Store
from minibuild.values import dataclass, field, replace

Outcome: TypeAlias = Literal["cached", "runs", "perhaps", "fails"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What becomes of a step: ``perhaps`` where nobody can know if it is cached, ``fails`` where it can't be done.

    ``key`` is "" where it isn't known yet; ``reasons`` are why it isn't cached.
    """

    outcome: Outcome
    key: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forecast:
    """What becomes of the steps that have an effect, by stage and number.

    ``built`` are the stages that the build goes through, ``open`` those of which that isn't known yet; from the others
    it takes what is cached already, if anything.
    """

    steps: Mapping[tuple[int, int], Prediction]
    built: frozenset[int]
    open: frozenset[int] = frozenset()


def predict(request: BuildRequest, store: Store, cancellation: Cancellation) -> tuple[Plan, Forecast]:
    """The plan of a build, and what becomes of its steps. ``store`` is only read, and of images only manifests are
    fetched.

    Raises what reading and planning raise, but goes on where an image can't be had.
    """
    journal = Journal(silent)
    request = replace(request, surroundings=request.surroundings.told(request.build_arguments))
    access = replace(Access.of(request), journal=journal, cancellation=cancellation)
    with open_inputs(request.context, request.dockerfile, access) as inputs:
        dockerfile = read(inputs.source)
        fetcher = NothingFetched(store, {}, cancellation, journal)
        request = _dated(request, dockerfile, inputs.context, Sources(fetcher, access))
        bases = Glance.of(request, store, access)
        planned = plan(dockerfile, bases.lookup_or_scratch, request.options())
        planned = check(dockerfile, planned, window_on(inputs.context.ignore), request.build_arguments)
        with open_contexts(request.named_contexts, planned, access) as bases.files:
            return planned, Predictor(request, store, planned, inputs.context, bases).forecast()


def _dated(request: BuildRequest, dockerfile: Dockerfile, context: DirectoryContext, sources: Sources) -> BuildRequest:
    try:
        return dated(request, dockerfile, context, sources)
    except NotKnown as obstacle:
        raise UsageError(f"SOURCE_DATE_EPOCH {obstacle}", hint="give it in seconds since 1970") from obstacle


@dataclass
class Predictor:
    """Looks ahead. ``bases`` are what the plan was made with."""

    request: BuildRequest
    store: Store
    plan: Plan
    context: DirectoryContext
    bases: Glance
    _stages: dict[int, StageAhead] = field(default_factory=dict)
    _predictions: dict[tuple[int, int], Prediction] = field(default_factory=dict)
    _built: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.origins = Origins(
            self.plan,
            self.context,
            self.bases,
            self.request.platform,
            Journal(silent),
            stage_image=self._stage_image,
            tree_of=lambda image: self.tree_of(image.layers),
        )
        fetcher = self.origins.fetcher
        self.origins.fetcher = NothingFetched(self.store, {}, fetcher.cancellation, fetcher.journal)
        self.lookup = Lookup(self.origins, self.request.surroundings, self._has_a_name)
        self.refused = dict(_refused(self.plan, self.request))
        """What the build is refused for before it begins, by places."""

    def forecast(self) -> Forecast:
        """What becomes of every step: first of those that the build comes to."""
        for index in self.plan.order if self.request.all_stages else self.plan.targets:
            self._begin(index)
        built = frozenset(self._built)
        for index in self.plan.order:
            self._ahead(index)
        return Forecast(self._predictions, built, self._left_open(built))

    def _left_open(self, built: frozenset[int]) -> frozenset[int]:
        """The stages that are built if a step misses of which that isn't known, or one succeeds that seems to fail."""
        todo, found = sorted(built), set(built)
        while todo:
            stage = self.plan.stages[todo.pop()]
            first = next((step for step in stage.steps if self._is_open(stage, step)), None)
            needs = stages_copied_from(step for step in stage.steps if first and step.number >= first.number)
            if isinstance(stage.base, FromStage):
                needs |= {stage.base.stage}
            todo += needs - found
            found |= needs
        return frozenset(found - built)

    def _is_open(self, stage: Stage, step: Step) -> bool:
        prediction = self._predictions.get((stage.index, step.number))
        return prediction is not None and prediction.outcome in ("perhaps", "fails")

    def expect_misses(self, stage: Stage, step: Step) -> None:
        """As the build begins the stages that this step and the later ones copy from, where this one misses."""
        if stage.index in self._built:
            for index in sorted(stages_copied_from(later for later in stage.steps if later.number >= step.number)):
                self._begin(index)

    def tree_of(self, layers: Sequence[Layer]) -> Tree:
        """The files of layers; raises NotKnown where the store lacks one."""

        def index(layer: Layer) -> Index:
            try:
                return self.store.index(layer)
            except ImageError:
                raise NotKnown("depends on the files of an image that isn't in the store") from None

        return Tree([(layer, index(layer)) for layer in layers], self.store.open_tar)

    def _has_a_name(self, origin: Origin) -> bool:
        """What names a stage is what it stands on, so that must be known."""
        if not isinstance(origin, FromStage):
            return True
        stage = self.plan.stages[origin.stage]
        is_known = not isinstance(stage.base, FromImage) or stage.base.name not in self.bases.missing
        return is_known and all(self._has_a_name(FromStage(index)) for index in stage.needs)

    def _begin(self, index: int) -> None:
        base = self.plan.stages[index].base
        if index not in self._built:
            self._built.add(index)
            if isinstance(base, FromStage):
                self._begin(base.stage)
        self._ahead(index)

    def _stage_image(self, index: int) -> Image:
        stage = self.plan.stages[index]
        ahead = self._ahead(index)
        if ahead.layers is None:
            raise NotKnown(f"depends on what stage {stage.title} comes to")
        image = Image.scratch(stage.platform)
        for layer in ahead.layers:
            image = image.append(layer, stage.result.config, None)
        return image

    def _ahead(self, index: int) -> StageAhead:
        if index not in self._stages:
            stage = self.plan.stages[index]
            self._stages[index] = ahead = self._at_its_base(stage)
            for step in stage.steps:
                if step.effect is not None:
                    self._predictions[index, step.number] = self._predict(step, ahead)
        return self._stages[index]

    def _at_its_base(self, stage: Stage) -> StageAhead:
        if isinstance(stage.base, FromStage):
            base = self._ahead(stage.base.stage)
            is_of_it = base.made_at and " of " not in base.made_at
            made_at = f"{base.made_at} of stage {base.stage.title}" if is_of_it else base.made_at
            return StageAhead(self, stage, base.key, base.layers, base.obstacle, base.is_new, made_at)
        if stage.base is not None and (why := self.bases.missing.get(stage.base.name)):
            return StageAhead(self, stage, "", None, f"depends on its base: {why}", made_at="its base")
        image = stage.image or Image.scratch(stage.platform)
        return StageAhead(self, stage, image.chain or "scratch", image.layers)

    def _predict(self, step: Step, ahead: StageAhead) -> Prediction:
        try:
            if refusal := self.refused.get(step.statement.span):
                raise refusal
            if ahead.obstacle and not stands_alone(step):
                raise NotKnown(ahead.obstacle)
            found = self._looked_up(step, ahead)
        except NotKnown as obstacle:
            certainly = ahead.certain_miss(step)
            ahead.give_up(step, str(obstacle), is_new=bool(certainly))
            return Prediction("runs", "", certainly) if certainly else Prediction("perhaps", "", (str(obstacle),))
        except MinibuildError as error:
            ahead.give_up(step, f"depends on step {step.number} of stage {ahead.stage.title}, which fails")
            return Prediction("fails", "", (error.message, *([error.hint] if error.hint else [])))
        key, parts = found.keys[0]
        if found.record is not None:
            ahead.take(step, found.record)
            return Prediction("cached", key)
        follows = (f"it follows {ahead.made_at}",) if ahead.is_new else ()
        reasons = follows or explain(self.store.records, key, parts, step, place_of(ahead.stage, step))
        ahead.make(step, key)
        return Prediction("runs", key, reasons)

    def _looked_up(self, step: Step, ahead: StageAhead) -> Found:
        found = self.lookup.by_name(step, ahead)
        if found.record is not None:
            return found
        for index in stages_awaited(step) if ahead.stage.index in self._built else ():
            self._begin(index)
        return self.lookup.by_files(step, ahead, found)


def _refused(plan: Plan, request: BuildRequest) -> Iterator[tuple[Span, MinibuildError]]:
    for index in plan.order:
        stage = replace(plan, order=(index,))
        try:
            check_platforms(stage)
            check_permissions(stage, request.surroundings)
        except MinibuildError as error:
            if error.span is not None:
                yield error.span, error
