"""One stage on its way: steps are looked up in the cache or performed, one at a time, each ending in an image of
its own.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from minibuild.build import archives
from minibuild.build.accounts import accounts_of
from minibuild.build.committing import ChainedLayer
from minibuild.build.copying import Composition
from minibuild.build.journal import Activity
from minibuild.build.origins import binds_of, without_origins
from minibuild.build.rootfs import chained
from minibuild.build.selecting import Selected
from minibuild.errors import blame
from minibuild.instructions.effects import (
    CopyFiles,
    FromContext,
    FromStage,
    MakeDirectory,
    RunCommand,
    SourcePath,
    SourceRepository,
    SourceUrl,
    origins_of,
)
from minibuild.layers.entry import Change
from minibuild.layers.tree import Tree
from minibuild.oci import Digest, History, Image
from minibuild.oci.digest import chain_id
from minibuild.plan import Stage, Step, step_key
from minibuild.store import Record

if TYPE_CHECKING:
    from minibuild.build.engine import Engine

Key = tuple[Digest, Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class StageResult:
    """A stage's image so far, whole in the store; its layers with their chains; the key that names what it holds."""

    image: Image
    layers: tuple[ChainedLayer, ...]
    key: str

    @classmethod
    def of_image(cls, image: Image) -> StageResult:
        """What a stage starts with: a base image, or scratch."""
        return cls(image, chained(image), image.chain or "scratch")


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A step that is done but for its image: ``layer`` (None: it made none) may still be in the writing."""

    step: Step
    layer: ChainedLayer | None
    created: str
    keys: tuple[Key, ...] = ()

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
    name: str
    uses_cache: bool
    image: Image
    layers: list[ChainedLayer]
    key: str
    steps: int = 0
    cached: int = 0
    _unsettled: deque[_Unsettled] = field(default_factory=deque)

    def perform(self, step: Step, title: str) -> None:
        """Does one step, or finds it done; errors blame its place."""
        with blame(step.statement.span):
            if step.effect is None:
                self._done(_Unsettled(step, None, self._created_before()))
            else:
                self.steps += 1
                self._await_origin(step)
                with self.engine.journal.activity(title) as activity:
                    self._perform(step, activity)
            self._settle(wait=False)

    def result(self) -> StageResult:
        """What came out, once all layers are written."""
        self._settle(wait=True)
        return StageResult(self.image, tuple(self.layers), self.key)

    def _perform(self, step: Step, activity: Activity) -> None:
        match step.effect:
            case RunCommand() as effect:
                self._perform_run(step, effect, activity)
            case MakeDirectory() as effect:
                keys = (step_key(self.key, effect, {}),)
                if not self._find(step, keys, activity):
                    self._keep(step, self._make(effect), keys)
            case CopyFiles() as effect:
                self._perform_copy(step, effect, activity)
            case None:
                raise AssertionError("a step without effect is no work")
            case other:
                assert_never(other)

    def _await_origin(self, step: Step) -> None:
        """Builds the stage that a step copies from, if need be, before the step itself is shown to have begun."""
        match step.effect:
            case CopyFiles(origin=FromStage(index)) as effect if not self._is_known_by_name(step, effect):
                self.engine.stages.result(index)
            case RunCommand() as effect if not self._run_is_known_by_name(step, effect):
                for mount in binds_of(effect):
                    if isinstance(mount.origin, FromStage):
                        self.engine.stages.result(mount.origin.stage)

    def _key_by_name(self, effect: CopyFiles) -> tuple[Key, ...]:
        """The key that knows files by where they come from; none for files that only tell themselves."""
        named = self.engine.origins.name(effect.origin)
        return () if named is None else (self._copy_key(effect, {"origin": named}),)

    def _copy_key(self, effect: CopyFiles, inputs: Mapping[str, object]) -> Key:
        """A layer that stands alone has a key without a parent, but with what the parent's accounts make of a name."""
        if not effect.stands_alone:
            return step_key(self.key, _anywhere(effect), inputs)
        owner = self._owner(effect)
        return step_key("", _anywhere(effect), inputs if owner is None else {**inputs, "owner": list(owner)})

    def _owner(self, effect: CopyFiles) -> tuple[int, int] | None:
        return None if effect.owner is None else accounts_of(self.tree()).owner(effect.owner)

    def _is_known_by_name(self, step: Step, effect: CopyFiles) -> bool:
        keys = self._key_by_name(effect) if self.engine.may_stay_unbuilt(effect.origin) else ()
        return bool(keys) and self._record(step, keys[0][0]) is not None

    def _perform_copy(self, step: Step, effect: CopyFiles, activity: Activity) -> None:
        """Looks twice where files come from a stage or an image: by its name, which builds nothing, then by the
        files.
        """
        by_name = self._key_by_name(effect)
        if self._is_known_by_name(step, effect) and self._find(step, by_name, activity):
            return
        by_files = self._copy_key(effect, {"files": self.engine.origins.rows(step, effect, activity)})
        if not self._find(step, (by_files, *by_name), activity):
            selection = self.engine.origins.selection(step, effect)
            self._keep(step, self._copy(effect, selection, activity), (by_files, *by_name))

    def _record(self, step: Step, key: str) -> Record | None:
        """What the cache has of a key on this very parent; where that is nothing, a layer to write is to come."""
        records, record = self.engine.store.records, None
        if self.uses_cache and _stands_alone(step):
            record = records.find(key, ())
        elif self.uses_cache and (not self._is_writing() or records.has(key)):
            self._settle(wait=True)
            record = records.find(key, self.image.config.diff_ids)
        if record is None:
            self.engine.expect_misses([later for later in self.stage.steps if later.number >= step.number])
        return record

    def _find(self, step: Step, keys: Sequence[Key], activity: Activity) -> bool:
        """Takes the step from the cache if the first key has a record there."""
        record = self._record(step, keys[0][0])
        if record is None or record.layer is None:
            return False
        activity.outcome = "cached"
        self.cached += 1
        self.key = self._key_after(step, record.result or record.key)
        chain = record.chain or self._chain_after(record.layer.diff_id)
        self._done(_Unsettled(step, ChainedLayer.of(chain, record.layer), record.created, tuple(keys[1:])))
        return True

    def _keep(self, step: Step, layer: ChainedLayer, keys: tuple[Key, ...]) -> None:
        self.key = self._key_after(step, keys[0][0])
        self._done(_Unsettled(step, layer, self.engine.created, keys))

    def _key_after(self, step: Step, key: str) -> str:
        """What names the tree that the step left: a layer that stands alone does so only together with its parent."""
        assert step.effect is not None
        return step_key(self.key, step.effect, {"layer": key})[0] if _stands_alone(step) else key

    def _done(self, done: _Unsettled) -> None:
        if done.layer is not None:
            self.layers.append(done.layer)
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
                stands_alone = _stands_alone(done.step)
                self.engine.store.records.put(
                    Record(
                        key=key,
                        parts=parts,
                        layer=layer,
                        chain="" if stands_alone else done.layer.chain,
                        parent_diff_ids=() if stands_alone else below,
                        created=done.created,
                        place=f"{self.name} {done.step.number}",
                        result=done.keys[0][0],
                        image=self.image.digest,
                    )
                )
            self._unsettled.popleft()

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
        composition = Composition(tree, self.engine.made_at(self.image), owner=owner)
        composition.make_directory(effect.path)
        return self._composed(composition.changes())

    def _copy(self, effect: CopyFiles, selection: Sequence[Selected], activity: Activity) -> ChainedLayer:
        if effect.stands_alone:
            # Neither what is below nor its age may show.
            epoch = self.engine.request.source_date_epoch
            tree, made_at = Tree((), self.engine.store.open_tar), _newest(selection) if epoch is None else epoch
        else:
            tree, made_at = self.tree(), self.engine.made_at(self.image)
        composition = Composition(tree, made_at, owner=self._owner(effect), mode=effect.mode)
        scratch = self.engine.store.scratch
        with ExitStack() as stack:
            unpacked = [
                stack.enter_context(archives.opened(one, scratch)) if _is_unpacked(effect, one) else None
                for one in selection
            ]
            composition.copy(effect, selection, unpacked)
            return self._composed(_metered(composition.changes(), activity))

    def _run_key(self, effect: RunCommand, files: Sequence[object], name: str) -> Key:
        inputs = self.engine.request.surroundings.inputs(effect)
        return step_key(self.key, without_origins(effect), {**inputs, **({name: files} if files else {})})

    def _run_key_by_name(self, effect: RunCommand) -> tuple[Key, ...]:
        """The key that knows mounted files by where they come from; none where all of them only tell themselves."""
        binds = binds_of(effect)
        if all(isinstance(mount.origin, FromContext) for mount in binds):
            return ()
        origins = self.engine.origins
        return (self._run_key(effect, [origins.called(m.origin, m.source, m.span) for m in binds], "names"),)

    def _run_is_known_by_name(self, step: Step, effect: RunCommand) -> bool:
        keys = self._run_key_by_name(effect) if all(map(self.engine.may_stay_unbuilt, origins_of(effect))) else ()
        return bool(keys) and self._record(step, keys[0][0]) is not None

    def _perform_run(self, step: Step, effect: RunCommand, activity: Activity) -> None:
        """Looks twice where files are mounted, as COPY does where they are copied."""
        by_name = self._run_key_by_name(effect)
        if self._run_is_known_by_name(step, effect) and self._find(step, by_name, activity):
            return
        origins = self.engine.origins
        files = [origins.mounted_rows(m.origin, m.source, m.span, activity) for m in binds_of(effect)]
        keys = (self._run_key(effect, files, "files"), *by_name)
        if not self._find(step, keys, activity):
            self._keep(step, self._run(step, effect, activity), keys)

    def _run(self, step: Step, effect: RunCommand, activity: Activity) -> ChainedLayer:
        chain = secrets.token_hex(32)
        changes = self.engine.run(step, effect, self.layers, chain, activity)
        return self.engine.committer.commit(chain, changes)


def _anywhere(effect: CopyFiles) -> CopyFiles:
    # Whence files come is told by a key's inputs: the same files from elsewhere are the same step.
    return replace(effect, origin=FromContext())


def _stands_alone(step: Step) -> bool:
    return isinstance(step.effect, CopyFiles) and step.effect.stands_alone


def _newest(selection: Sequence[Selected]) -> int:
    return max((entry.mtime for one in selection for entry in (one.entry, *one.below)), default=0)


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
