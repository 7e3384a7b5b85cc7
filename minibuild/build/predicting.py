"""What a build would find in the cache, told without building: each step is looked up as the build would do it.

What can't be known before something is made is not guessed: the files that a stage comes to, what a server answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from minibuild.build.accounts import accounts_of
from minibuild.build.context import DirectoryContext
from minibuild.build.epoch import Sources, dated
from minibuild.build.explaining import NEVER_DONE, explain
from minibuild.build.glance import Glance, NothingFetched, NotKnown
from minibuild.build.inputs import Access, open_inputs
from minibuild.build.journal import Journal
from minibuild.build.lookup import Found, Lookup, key_after, keyed, place_of, stages_awaited, stands_alone
from minibuild.build.named import open_contexts
from minibuild.build.origins import Origins
from minibuild.build.request import BuildRequest
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
from minibuild.plan.keys import typed
from minibuild.plan.reading import read
from minibuild.plan.steps import stages_copied_from
from minibuild.runtimes.base import Cancellation
from minibuild.store import Record, Store

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
        bases = Glance(
            store,
            journal,
            cancellation,
            mirrors=request.mirrors,
            environment=request.environment,
            named=request.named_contexts,
            pull=request.pull,
        )
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
class _StageAhead:
    """A stage as far as it is known. ``layers`` is None once they aren't: what ``made_at`` names is to be carried out.

    ``obstacle`` says why keys aren't known any more, "" while they are. ``is_new``: nothing was ever put upon it.
    """

    predictor: Predictor
    stage: Stage
    key: str
    layers: tuple[Layer, ...] | None
    obstacle: str = ""
    is_new: bool = False
    made_at: str = ""

    def owner(self, words: str) -> tuple[int, int]:
        """The ids that ``--chown=words`` means in the tree so far."""
        if self.layers is None:
            raise NotKnown(f"depends on what {self.made_at} comes to")
        return accounts_of(self.predictor.tree_of(self.layers)).owner(words)

    def record(self, step: Step, key: str) -> Record | None:
        """What the cache has of a key on this very parent."""
        records, record = self.predictor.store.records, None
        if stands_alone(step):
            record = records.find(key, ())
        elif self.layers is not None:
            record = records.find(key, [layer.diff_id for layer in self.layers])
        elif records.has(key):
            raise NotKnown(f"depends on what {self.made_at} comes to")
        if record is None:
            self.predictor.expect_misses(self.stage, step)
        return record

    def take(self, step: Step, record: Record) -> None:
        """Goes on upon what is cached."""
        assert record.layer is not None
        self.key = key_after(step, record.result or record.key, self.key)
        self.layers = None if self.layers is None else (*self.layers, record.layer)

    def make(self, step: Step, key: str) -> None:
        """Goes on upon what is to be made."""
        self.key = key_after(step, key, self.key)
        self.is_new = not self.predictor.store.records.has(key)
        self._lose_sight(step)

    def certain_miss(self, step: Step) -> tuple[str, ...]:
        """Why a step isn't cached, though its key isn't known; nothing where it may be cached."""
        assert step.effect is not None
        if self.is_new and not stands_alone(step):
            return (f"it follows {self.made_at}",)
        below = () if stands_alone(step) else self.layers
        if below is None:
            return ()
        diff_ids = [layer.diff_id for layer in below]
        was_done = self.predictor.store.records.has_effect(typed(keyed(step.effect)), diff_ids)
        return () if was_done else (NEVER_DONE,)

    def give_up(self, step: Step, obstacle: str, *, is_new: bool = False) -> None:
        """Goes on upon what nobody knows; ``is_new``: nothing was ever put upon it."""
        self.obstacle = self.obstacle or obstacle
        self.is_new = self.is_new or is_new
        self._lose_sight(step)

    def _lose_sight(self, step: Step) -> None:
        self.made_at = self.made_at or f"step {step.number}"
        self.layers = None


@dataclass
class Predictor:
    """Looks ahead. ``bases`` are what the plan was made with."""

    request: BuildRequest
    store: Store
    plan: Plan
    context: DirectoryContext
    bases: Glance
    _stages: dict[int, _StageAhead] = field(default_factory=dict)
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

    def _ahead(self, index: int) -> _StageAhead:
        if index not in self._stages:
            stage = self.plan.stages[index]
            self._stages[index] = ahead = self._at_its_base(stage)
            for step in stage.steps:
                if step.effect is not None:
                    self._predictions[index, step.number] = self._predict(step, ahead)
        return self._stages[index]

    def _at_its_base(self, stage: Stage) -> _StageAhead:
        if isinstance(stage.base, FromStage):
            base = self._ahead(stage.base.stage)
            is_of_it = base.made_at and " of " not in base.made_at
            made_at = f"{base.made_at} of stage {base.stage.title}" if is_of_it else base.made_at
            return _StageAhead(self, stage, base.key, base.layers, base.obstacle, base.is_new, made_at)
        if stage.base is not None and (why := self.bases.missing.get(stage.base.name)):
            return _StageAhead(self, stage, "", None, f"depends on its base: {why}", made_at="its base")
        image = stage.image or Image.scratch(stage.platform)
        return _StageAhead(self, stage, image.chain or "scratch", image.layers)

    def _predict(self, step: Step, ahead: _StageAhead) -> Prediction:
        try:
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

    def _looked_up(self, step: Step, ahead: _StageAhead) -> Found:
        found = self.lookup.by_name(step, ahead)
        if found.record is not None:
            return found
        for index in stages_awaited(step) if ahead.stage.index in self._built else ():
            self._begin(index)
        return self.lookup.by_files(step, ahead, found)
