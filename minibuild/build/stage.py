"""One stage on its way: steps are looked up in the cache or performed, one at a time, each ending in an image of
its own.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from minibuild.build import archives
from minibuild.build.accounts import accounts_of
from minibuild.build.committing import ChainedLayer
from minibuild.build.copying import Composition
from minibuild.build.journal import Activity
from minibuild.build.lookup import Key, key_after, place_of, stages_awaited, stands_alone
from minibuild.build.rootfs import chained
from minibuild.build.selecting import Selected
from minibuild.errors import blame
from minibuild.instructions.effects import (
    CopyFiles,
    FromContext,
    MakeDirectory,
    RunCommand,
    SourcePath,
    SourceRepository,
    SourceUrl,
)
from minibuild.layers.entry import Change
from minibuild.layers.tree import Tree
from minibuild.oci import Digest, History, Image
from minibuild.oci.digest import chain_id
from minibuild.plan import Stage, Step
from minibuild.store import Record
from minibuild.values import dataclass, field, replace

if TYPE_CHECKING:
    from minibuild.build.engine import Engine


@dataclass(frozen=True, slots=True)
class StageResult:
    """A stage's image so far, whole in the store; its layers with their chains; the key that names what it holds; for
    each layer that isn't its base's, the step that made it and when the build began that did.
    """

    image: Image
    layers: tuple[ChainedLayer, ...]
    key: str
    made: tuple[tuple[Step, str], ...] = ()

    @classmethod
    def of_image(cls, image: Image) -> StageResult:
        """What a stage starts with: a base image, or scratch."""
        return cls(image, chained(image), image.chain or "scratch")


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A step that is done but for its image: ``layer`` (None: it made none) may still be in the writing. ``began`` is
    when the build that made it did, whatever it was to say.
    """

    step: Step
    layer: ChainedLayer | None
    created: str
    keys: tuple[Key, ...] = ()
    began: str = ""

    @property
    def history(self) -> History | None:
        """The step's line in the image's history; FROM has none."""
        line = self.step.history
        return History(created=self.created, created_by=line, comment="minibuild.dockerfile.v0") if line else None


@dataclass
class StageBuild:
    """Builds a stage on top of what it starts from. ``image`` is the result of all steps whose layers are written."""

    engine: Engine
    stage: Stage
    uses_cache: bool
    image: Image
    layers: list[ChainedLayer]
    key: str
    steps: int = 0
    cached: int = 0
    made: list[tuple[Step, str]] = field(default_factory=list)
    _unsettled: deque[_Unsettled] = field(default_factory=deque)

    def perform(self, step: Step, title: str) -> None:
        """Does one step, or finds it done; errors blame its place."""
        with blame(step.statement.span):
            if step.effect is None:
                self._done(_Unsettled(step, None, self._dated(self._created_before())))
            else:
                self.steps += 1
                self._perform(step, title)
            self._settle(wait=False)

    def result(self) -> StageResult:
        """What came out, once all layers are written."""
        self._settle(wait=True)
        return StageResult(self.image, tuple(self.layers), self.key, tuple(self.made))

    def _perform(self, step: Step, title: str) -> None:
        found = self.engine.lookup.by_name(step, self)
        if found.record is None:
            for index in stages_awaited(step):  # before the step itself is shown to have begun
                self.engine.stages.result(index)
        with self.engine.journal.activity(title) as activity:
            layer = None
            if found.record is None and self._is_surely_new(step):
                # Made before its key is known, which takes the files' digests: so they are read only once.
                layer = self._made(step, activity)
            if found.record is None:
                found = self.engine.lookup.by_files(step, self, found, activity)
            if layer is not None or found.record is None:
                self._keep(step, layer or self._made(step, activity), found.keys)
            else:
                self._take(step, found.record, found.keys, activity)

    def _is_surely_new(self, step: Step) -> bool:
        """The step copies from the context, and nothing at all has ever been put upon what it is put upon."""
        match step.effect:
            case CopyFiles(origin=FromContext(), stands_alone=False) if not self._is_writing():
                self._settle(wait=True)
                if self.uses_cache and self.engine.store.records.has_any_upon(self.image.config.diff_ids):
                    return False
                self._expect_misses(step)
                return True
            case _:
                return False

    def _expect_misses(self, step: Step) -> None:
        self.engine.expect_misses([later for later in self.stage.steps if later.number >= step.number])

    def _made(self, step: Step, activity: Activity) -> ChainedLayer:
        match step.effect:
            case RunCommand() as run:
                return self._run(step, run, activity)
            case MakeDirectory() as make:
                return self._make(make)
            case CopyFiles() as copy:
                return self._copy(copy, self.engine.origins.selection(step, copy), activity)
            case None:
                raise AssertionError("a step without effect is no work")
            case other:
                assert_never(other)

    def owner(self, words: str) -> tuple[int, int]:
        """The ids that ``--chown=words`` means in the tree so far."""
        return accounts_of(self.tree()).owner(words)

    def record(self, step: Step, key: str) -> Record | None:
        """What the cache has of a key on this very parent; where that is nothing, a layer to write is to come."""
        records, record = self.engine.store.records, None
        counts = self.uses_cache or key in self.engine.work.done
        if counts and stands_alone(step):
            record = records.find(key, ())
        elif counts and (not self._is_writing() or records.has(key)):
            self._settle(wait=True)
            record = records.find(key, self.image.config.diff_ids)
        if record is None:
            self._expect_misses(step)
        return record

    def _take(self, step: Step, record: Record, keys: Sequence[Key], activity: Activity) -> None:
        """Takes what a record of the first key says was made."""
        assert record.layer is not None
        activity.outcome = "cached"
        self.cached += 1
        self.key = key_after(step, record.result or record.key, self.key)
        self.engine.collector.took(self.stage.index, replace(record, created=self._dated(record.created)))
        chain = record.chain or self._chain_after(record.layer.diff_id)
        layer = ChainedLayer.of(chain, record.layer)
        self._done(_Unsettled(step, layer, self._dated(record.created), tuple(keys[1:]), record.created))

    def _keep(self, step: Step, layer: ChainedLayer, keys: tuple[Key, ...]) -> None:
        self.key = key_after(step, keys[0][0], self.key)
        self._done(_Unsettled(step, layer, self.engine.created, keys, self.engine.began))

    def _done(self, done: _Unsettled) -> None:
        if done.layer is not None:
            self.layers.append(done.layer)
            self.made.append((done.step, done.began))
        self._unsettled.append(done)

    def _is_writing(self) -> bool:
        return any(done.layer is not None and not done.layer.is_written() for done in self._unsettled)

    def _settle(self, *, wait: bool) -> None:
        """Composes the images of steps whose layers are written, oldest first, and keeps their cache records."""
        while self._unsettled:
            done = self._unsettled[0]
            if done.layer is not None and not wait and not done.layer.is_written():
                return
            with blame(done.step.statement.span):
                layer = None if done.layer is None else done.layer.layer()
            below = self.image.config.diff_ids
            self.image = self.image.append(layer, done.step.after.config, done.history, done.step.after.author)
            self.engine.store.put_image(self.image)
            for key, parts in done.keys:
                assert done.layer is not None
                alone = stands_alone(done.step)
                record = Record(
                    key=key,
                    parts=parts,
                    layer=layer,
                    chain="" if alone else done.layer.chain,
                    parent_diff_ids=() if alone else below,
                    created=done.began,
                    place=place_of(self.stage, done.step),
                    result=done.keys[0][0],
                    image=self.image.digest,
                )
                self.engine.store.records.put(record)
                self.engine.collector.add(self.stage.index, replace(record, created=done.created))
            self._unsettled.popleft()

    def _dated(self, created: str) -> str:
        """When a step was done: where SOURCE_DATE_EPOCH is said then, whenever it was."""
        return created if self.engine.request.source_date_epoch is None else self.engine.created

    def _created_before(self) -> str:
        """A step without a layer is as old as what it stands on, so that a cached build gives the same image ID."""
        made = [done.created for done in self._unsettled if done.created]
        return made[-1] if made else self.image.config.created

    def tree(self) -> Tree:
        """The files so far, for looking things up; waits for layers still being written."""
        self._settle(wait=True)
        return self.engine.tree_of(self.image)

    def _chain_after(self, diff_id: Digest) -> str:
        below = self.layers[-1].chain if self.layers else None
        return str(chain_id((diff_id,), onto=None if below is None else Digest(below)))

    def _composed(self, changes: Iterable[Change]) -> ChainedLayer:
        layer = self.engine.store.add_layer(changes)
        return ChainedLayer.of(self._chain_after(layer.diff_id), layer)

    def _make(self, effect: MakeDirectory) -> ChainedLayer:
        tree = self.tree()
        # As --chown, not as a process: a number alone is the group too.
        owner = accounts_of(tree).owner(effect.user) if effect.user else None
        composition = Composition(tree, owner=owner)
        composition.make_directory(effect.path)
        return self._composed(composition.changes())

    def _copy(self, effect: CopyFiles, selection: Sequence[Selected], activity: Activity) -> ChainedLayer:
        # Of what stands alone, nothing of what is below may show.
        tree = Tree((), self.engine.store.open_tar) if effect.stands_alone else self.tree()
        owner = None if effect.owner is None else self.owner(effect.owner)
        composition = Composition(tree, owner=owner, mode=effect.mode)
        with copied(composition, effect, selection, self.engine.store.scratch) as changes:
            return self._composed(_metered(changes, activity))

    def _run(self, step: Step, effect: RunCommand, activity: Activity) -> ChainedLayer:
        chain = os.urandom(32).hex()
        changes = self.engine.run(step, effect, self.layers, chain, activity)
        return self.engine.committer.commit(chain, changes)


@contextmanager
def copied(
    composition: Composition, effect: CopyFiles, selection: Sequence[Selected], scratch: Path
) -> Iterator[list[Change]]:
    """What a COPY or ADD of these files puts into a layer, while archives among them are open."""
    with ExitStack() as stack:
        unpacked = [
            stack.enter_context(archives.opened(one, scratch)) if _is_unpacked(effect, one) else None
            for one in selection
        ]
        composition.copy(effect, selection, unpacked)
        yield composition.changes()


def _is_unpacked(effect: CopyFiles, selected: Selected) -> bool:
    match selected.source:
        case SourcePath():
            return effect.unpacks
        case SourceUrl(unpacks=unpacks):
            return unpacks
        case SourceRepository():
            return False
        case other:
            assert_never(other)


def _metered(changes: Sequence[Change], activity: Activity) -> Iterator[Change]:
    meter = activity.meter("copying", sum(entry.size for entry, _ in changes))
    for entry, opener in changes:
        yield entry, opener
        meter.add(entry.size)
