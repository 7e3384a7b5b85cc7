"""``rewrite-timestamp=true``: nothing in the layers that a build made is younger than SOURCE_DATE_EPOCH.

Layers of a base stay as they are, to the byte. What comes from the cache is to have the times of what would be made
anew, and may have been made before the epoch: of a RUN's files those count as young that are no older than the build
which ran it, and files that were copied are as old as what is copied now. Source: BuildKit, docs/build-repro.md, which
cuts times down but knows nothing of the cache.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from minibuild.build.copying import Composition
from minibuild.build.inner import NeedsNamespace
from minibuild.build.origins import Origins
from minibuild.build.stage import copied
from minibuild.errors import MinibuildError, UsageError
from minibuild.instructions.effects import CopyFiles, FromStage, MakeDirectory, RunCommand, SourcePath
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.slice import content_of
from minibuild.layers.tree import Tree
from minibuild.oci import Digest, Image, Layer
from minibuild.oci.config import encode_json
from minibuild.oci.times import seconds_of
from minibuild.plan import Step
from minibuild.store import Record, Store
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from minibuild.build.engine import Engine

_SMALL = 64 << 10


def check_epoch(epoch: int | None) -> int:
    """The epoch; raises UsageError where none is said, which BuildKit tells its daemon's log alone."""
    if epoch is None:
        raise UsageError(
            "rewrite-timestamp=true wants a time, and SOURCE_DATE_EPOCH says none",
            hint="--source-date-epoch=context, or a number of seconds: $(git log -1 --format=%ct)",
        )
    return epoch


@dataclass
class Rewriting:
    """The images of a build's stages, their layers rewritten; stages are rewritten when others copy from them."""

    engine: Engine
    _images: dict[int, Image] = field(default_factory=dict)

    def image(self, index: int) -> Image:
        """What a stage came to, but that nothing in its layers is younger than the epoch, except in the base's."""
        if index not in self._images:
            self._images[index] = self._rewritten(index)
        return self._images[index]

    def _rewritten(self, index: int) -> Image:
        base, result = self.engine.plan.stages[index].base, self.engine.stages.result(index)
        below = self.image(base.stage) if isinstance(base, FromStage) else self.engine.plan.base_of(index)
        layers = list(below.layers)
        for (step, began), layer in zip(result.made, result.image.layers[len(layers) :], strict=True):
            layers.append(dated(layer, self._time_of(step, began, layers), self.engine.store))
        return Image.compose(result.image.config, layers)

    def _time_of(self, step: Step, began: str, below: Sequence[Layer]) -> Callable[[Entry], int]:
        epoch = check_epoch(self.engine.request.source_date_epoch)
        if isinstance(step.effect, RunCommand):
            start = seconds_of(began)
            return lambda entry: epoch if entry.mtime >= start else min(entry.mtime, epoch)
        times = self._today(step, below)
        return lambda entry: min(times.get(entry.path, entry.mtime), epoch)

    def _today(self, step: Step, below: Sequence[Layer]) -> Mapping[str, int]:
        """The times that a step would give what it copies and makes, were it done now."""
        store, effect = self.engine.store, step.effect
        is_alone = isinstance(effect, CopyFiles) and effect.stands_alone
        tree = Tree([] if is_alone else [(layer, store.index(layer)) for layer in below], store.open_tar)
        match effect:
            case MakeDirectory(path=path):
                composition = Composition(tree)
                composition.make_directory(path)
                changes = composition.changes()
            case CopyFiles(origin=origin) if all(isinstance(source, SourcePath) for source in effect.sources):
                origins = self._origins if isinstance(origin, FromStage) else self.engine.origins
                try:
                    selection = origins.selection(step, effect)
                except (NeedsNamespace, MinibuildError):
                    return {}  # a stage that isn't here any more: what was copied of it is as old as it was
                with copied(Composition(tree), effect, selection, store.scratch) as changes:
                    pass
            case _:  # a download says its age itself
                changes = []
        return {entry.path: entry.mtime for entry, _ in changes}

    @property
    def _origins(self) -> Origins:
        """The files of stages as they are rewritten."""
        engine = self.engine
        return Origins(
            engine.plan,
            engine.work.context,
            engine.bases,
            engine.request.platform,
            engine.journal,
            stage_image=self.image,
            tree_of=engine.tree_of,
        )


def dated(layer: Layer, time_of: Callable[[Entry], int], store: Store) -> Layer:
    """The layer with other times of its entries; what it came to is remembered, since it takes all its bytes."""
    entries = store.index(layer).entries
    times = [0 if entry.kind in (Kind.WHITEOUT, Kind.OPAQUE) else time_of(entry) for entry in entries]
    if all(time == entry.mtime for time, entry in zip(times, entries, strict=True)):
        return layer
    parts = {"dated": layer.diff_id, "times": Digest.of(encode_json(times))}
    key = Digest.of(encode_json(parts))
    known = store.records.find(key, ())
    if known is not None and known.layer is not None:
        return known.layer
    made = store.add_layer(_changes(layer, entries, times, store))
    store.records.put(Record(key, parts, made))
    return made


def _changes(layer: Layer, entries: Sequence[Entry], times: Sequence[int], store: Store) -> Iterator[Change]:
    with store.open_tar(layer) as tar:
        for entry, time in zip(entries, times, strict=True):
            opener = partial(_opened, tar, layer, entry, store) if entry.kind is Kind.FILE else None
            yield entry._replace(mtime=time), opener


def _opened(tar: BinaryIO, layer: Layer, entry: Entry, store: Store) -> BinaryIO:
    """A file's content; a small one's at once, since opening the tar for each takes longer than all else."""
    if entry.size > _SMALL:
        return content_of(store.open_tar(layer), entry)
    tar.seek(entry.offset)
    return io.BytesIO(tar.read(entry.size))
