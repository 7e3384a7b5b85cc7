"""Looking a step up in the cache: by which keys it is known, and what there is of them. Building a stage and predicting
it do this alike.

Where files come from a stage or an image it is done twice: by the name of what they come from, which builds nothing,
then by the files themselves, so that what came out the same keeps the later steps cached.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias, assert_never

from minibuild.build.journal import Activity
from minibuild.build.origins import Origins, binds_of, without_origins
from minibuild.build.surroundings import Surroundings
from minibuild.instructions.effects import (
    CopyFiles,
    Effect,
    FromContext,
    FromStage,
    MakeDirectory,
    Origin,
    RunCommand,
    origins_of,
)
from minibuild.oci import Digest
from minibuild.plan import Stage, Step, step_key
from minibuild.store import Record
from minibuild.values import dataclass, replace

Key: TypeAlias = tuple[Digest, Mapping[str, object]]
"""A key and its typed parts."""


class Below(Protocol):
    """What a step is put upon: its stage so far."""

    key: str

    def owner(self, words: str) -> tuple[int, int]:
        """The ids that ``--chown=words`` means there."""

    def record(self, step: Step, key: str) -> Record | None:
        """What the cache has of a key on this very parent."""


@dataclass(frozen=True, slots=True)
class Found:
    """The keys that a step is known by, and what the cache has of the first; ``record`` None: nothing to take."""

    keys: tuple[Key, ...]
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """Looks steps up. ``may_stay_unbuilt``: files from there may be taken by the name of where they come from."""

    origins: Origins
    surroundings: Surroundings
    may_stay_unbuilt: Callable[[Origin], bool]

    def by_name(self, step: Step, below: Below) -> Found:
        """By where files come from; there is no key where all of them only tell themselves."""
        match step.effect:
            case CopyFiles() as copy:
                named = self.origins.name(copy.origin)
                keys = () if named is None else (_copy_key(copy, below, {"origin": named}),)
            case RunCommand() as run if any(self.origins.name(m.origin) is not None for m in binds_of(run)):
                names = [self.origins.called(m.origin, m.source, m.span) for m in binds_of(run)]
                keys = (self._run_key(run, below, {"names": names}),)
            case _:
                keys = ()
        if not keys or not all(map(self.may_stay_unbuilt, origins_of(step.effect))):
            return Found(keys)
        return Found(keys, _record(step, below, keys))

    def by_files(self, step: Step, below: Below, by_name: Found, activity: Activity | None = None) -> Found:
        """By the files themselves, after nothing was found by name; those of another stage make it be built."""
        keys = (self._key(step, below, activity), *by_name.keys)
        return Found(keys, _record(step, below, keys))

    def _key(self, step: Step, below: Below, activity: Activity | None) -> Key:
        match step.effect:
            case CopyFiles() as copy:
                return _copy_key(copy, below, {"files": self.origins.rows(step, copy, activity)})
            case RunCommand() as run:
                rows = [self.origins.mounted_rows(m.origin, m.source, m.span, activity) for m in binds_of(run)]
                return self._run_key(run, below, {"files": rows} if rows else {})
            case MakeDirectory() as make:
                return step_key(below.key, make, {})
            case None:
                raise AssertionError("a step without effect has no key")
            case other:
                assert_never(other)

    def _run_key(self, effect: RunCommand, below: Below, inputs: Mapping[str, object]) -> Key:
        return step_key(below.key, keyed(effect), {**self.surroundings.inputs(effect), **inputs})


def keyed(effect: Effect) -> Effect:
    """An effect as keys have it: whence files come is told by their inputs, so that the same files from elsewhere are
    the same step.
    """
    match effect:
        case CopyFiles():
            return replace(effect, origin=FromContext())
        case RunCommand():
            return without_origins(effect)
        case _:
            return effect


def key_after(step: Step, key: str, below: str) -> str:
    """What names the tree that a step left upon another: a layer that stands alone does so only with its parent."""
    assert step.effect is not None
    return step_key(below, step.effect, {"layer": key})[0] if stands_alone(step) else key


def place_of(stage: Stage, step: Step) -> str:
    """What records of a step are kept under: it tells the same step of the same Dockerfile's earlier builds."""
    return f"{stage.name or f'stage-{stage.index}'} {step.number}"


def stages_awaited(step: Step) -> tuple[int, ...]:
    """The stages whose files a step must have before it is done."""
    match step.effect:
        case CopyFiles(origin=FromStage(index)):
            return (index,)
        case RunCommand() as run:
            return tuple(mount.origin.stage for mount in binds_of(run) if isinstance(mount.origin, FromStage))
        case _:
            return ()


def stands_alone(step: Step) -> bool:
    """Its layer is the same whatever it is put upon."""
    return isinstance(step.effect, CopyFiles) and step.effect.stands_alone


def _record(step: Step, below: Below, keys: Sequence[Key]) -> Record | None:
    record = below.record(step, keys[0][0])
    return record if record and record.layer else None


def _copy_key(effect: CopyFiles, below: Below, inputs: Mapping[str, object]) -> Key:
    """A layer that stands alone has a key without a parent, but with what the parent's accounts make of a name."""
    if not effect.stands_alone:
        return step_key(below.key, keyed(effect), inputs)
    owner = {} if effect.owner is None else {"owner": list(below.owner(effect.owner))}
    return step_key("", keyed(effect), {**inputs, **owner})
