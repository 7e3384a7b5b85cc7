"""What a build has of records that may travel: all that it took from the cache, and all that it put there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from minibuild.build.travelling.document import Cache, TravellingMount
from minibuild.instructions.effects import FromStage
from minibuild.oci import Digest
from minibuild.plan import Plan
from minibuild.store import Record, Records
from minibuild.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Collected:
    """What travels of a build: the steps of its targets' own stages, those of the others, and cache mounts."""

    own: tuple[Record, ...] = ()
    others: tuple[Record, ...] = ()
    mounts: tuple[TravellingMount, ...] = ()

    def joined(self, others: Iterable[Collected]) -> Collected:
        """All that these are, each once."""
        every = [self, *others]
        mounts = {mount: None for one in every for mount in one.mounts}
        return Collected(_each_once(one.own for one in every), _each_once(one.others for one in every), tuple(mounts))

    def cache(self, mode: str, mounts: Iterable[str]) -> Cache:
        """As much of it as is wanted: steps by the mode, cache mounts by their ids."""
        wanted = frozenset(mounts)
        records = (*self.own, *self.others) if mode == "max" else self.own
        return Cache(records, tuple(mount for mount in self.mounts if mount.id in wanted))


@dataclass
class Collector:
    """Remembers the records of a build by their stages; where nothing ``is_wanted``, nothing."""

    records: Records
    is_wanted: bool
    _by_stage: dict[int, dict[tuple[str, tuple[Digest, ...]], Record]] = field(default_factory=dict)

    def took(self, stage: int, record: Record) -> None:
        """A step was found done. It is known by its files and by where they come from, and either may be what another
        machine looks for.
        """
        if not self.is_wanted:
            return
        self.add(stage, record)
        if record.result not in ("", record.key):
            by_files = self.records.find(record.result, record.parent_diff_ids)
            if by_files is not None:
                self.add(stage, by_files)

    def add(self, stage: int, record: Record) -> None:
        """A record of a step, each once."""
        if self.is_wanted:
            self._by_stage.setdefault(stage, {})[record.key, record.parent_diff_ids] = record

    def of(self, stages: Iterable[int]) -> Iterator[Record]:
        """The records of stages, in their order."""
        for index in stages:
            yield from self._by_stage.get(index, {}).values()

    def collected(self, plan: Plan, mounts: Iterable[TravellingMount]) -> Collected:
        """All that there is, apart by what targets stand on."""
        own = sorted({index for target in plan.targets for index in below(plan, target)})
        others = [index for index in plan.order if index not in own]
        return Collected(tuple(self.of(own)), tuple(self.of(sorted(others))), tuple(mounts))


def _each_once(collections: Iterable[Iterable[Record]]) -> tuple[Record, ...]:
    by_key = {(record.key, record.parent_diff_ids): record for records in collections for record in records}
    return tuple(by_key.values())


def below(plan: Plan, stage: int) -> tuple[int, ...]:
    """A stage and those that it is FROM, lowest first."""
    base = plan.stages[stage].base
    return (*(below(plan, base.stage) if isinstance(base, FromStage) else ()), stage)
