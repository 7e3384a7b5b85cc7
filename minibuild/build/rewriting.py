"""``rewrite-timestamp=true``: nothing in the layers that a build made is younger than SOURCE_DATE_EPOCH.

Layers of a base stay as they are, to the byte. Source: BuildKit, docs/build-repro.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from minibuild.errors import UsageError
from minibuild.instructions.effects import FromStage
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.slice import content_of
from minibuild.oci import Digest, Image, Layer
from minibuild.oci.config import encode_json
from minibuild.plan import Plan
from minibuild.store import Record, Store


def check_epoch(epoch: int | None) -> int:
    """The epoch; raises UsageError where none is said, which BuildKit tells its daemon's log alone."""
    if epoch is None:
        raise UsageError(
            "rewrite-timestamp=true wants a time, and SOURCE_DATE_EPOCH says none",
            hint="--source-date-epoch=context, or a number of seconds: $(git log -1 --format=%ct)",
        )
    return epoch


def base_of(plan: Plan, index: int) -> Image:
    """The image that a stage stands on, below all stages that it is FROM."""
    stage = plan.stages[index]
    while isinstance(stage.base, FromStage):
        stage = plan.stages[stage.base.stage]
    return stage.image or Image.scratch(stage.platform)


def rewritten(image: Image, base: int, epoch: int, store: Store) -> Image:
    """The image, but that nothing in its layers is younger than the epoch, except in the first ``base`` of them."""
    layers = [*image.layers[:base], *(_clamped(layer, epoch, store) for layer in image.layers[base:])]
    return image if tuple(layers) == image.layers else Image.compose(image.config, layers)


def _clamped(layer: Layer, epoch: int, store: Store) -> Layer:
    """The layer with its entries' times clamped; what it came to is remembered, since it takes all its bytes."""
    parts = {"clamped": layer.diff_id, "epoch": epoch}
    key = Digest.of(encode_json(parts))
    known = store.records.find(key, ())
    if known is not None and known.layer is not None:
        return known.layer
    index = store.index(layer)
    if all(entry.mtime <= epoch for entry in index.entries):
        return layer
    clamped = store.add_layer(_changes(layer, index.entries, epoch, store))
    store.records.put(Record(key, parts, clamped))
    return clamped


def _changes(layer: Layer, entries: tuple[Entry, ...], epoch: int, store: Store) -> Iterator[Change]:
    for entry in entries:
        opener = partial(_opened, layer, entry, store) if entry.kind is Kind.FILE else None
        yield entry._replace(mtime=min(entry.mtime, epoch)), opener


def _opened(layer: Layer, entry: Entry, store: Store) -> BinaryIO:
    return content_of(store.open_tar(layer), entry)
