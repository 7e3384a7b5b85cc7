"""Fewer layers: what an image has on top of another becomes one layer, and its history says so as docker's does.

Worked out on the layers' tables: nothing is mounted or unpacked. Source: docker build --squash, moby's image/squash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from minibuild.errors import ImageError
from minibuild.instructions.effects import FromStage
from minibuild.layers.merge import merge
from minibuild.layers.tree import Tree
from minibuild.oci import Digest, History, Image, Layer
from minibuild.oci.config import encode_json
from minibuild.plan import Plan
from minibuild.store import Record, Store
from minibuild.transports.merging import judged

MANNERS = {
    "base": "the new layers become one, the base's stay",
    "stage": "so do those of each stage that it is FROM",
    "all": "the whole image becomes one layer",
}
"""What ``--squash`` may be, and what it makes of an image."""


def stages_below(plan: Plan, index: int) -> Sequence[int]:
    """The stages that a stage is FROM, the lowest first."""
    found = []
    stage = plan.stages[index]
    while isinstance(stage.base, FromStage):
        stage = plan.stages[stage.base.stage]
        found.append(stage.index)
    return found[::-1]


def squashed(image: Image, below: Sequence[Image], store: Store) -> Image:
    """The image, with all that it has on top of each of these images in one layer; they stand on one another, and it
    on the last of them.
    """
    layers = list(below[0].layers)
    merged: dict[int, int] = {}
    lines: dict[int, History] = {}
    for lower, upper in pairwise([*below, image]):
        start, end = len(lower.layers), len(upper.layers)
        if end - start < 2:
            layers += image.layers[start:end]
            continue
        layers.append(_merged(image.layers[:end], start, store))
        merged |= dict.fromkeys(range(start + 1, end + 1), end)
        lines[end] = History(image.config.created, comment=_comment(lower, upper))
    if not lines:
        return image
    history = tuple(_history(image, frozenset(merged), lines))
    return Image.compose(replace(image.config, history=history), layers).annotated(image.annotations)


def check_stands_on(image: Image, base: Image, word: str, base_word: str) -> None:
    """Raises ImageError unless an image begins with all layers of another; the words are what people call them."""
    own, others = image.config.diff_ids, base.config.diff_ids
    if own[: len(others)] == others:
        return
    shared = next((place for place, pair in enumerate(zip(own, others, strict=False)) if len(set(pair)) > 1), len(own))
    raise ImageError(
        f"{word} doesn't stand on {base_word}: of its {len(others)} layers, {word} begins with {shared}",
        hint="minibuild history shows what each was made of",
    )


def _merged(layers: Sequence[Layer], start: int, store: Store) -> Layer:
    """The layers from a place on as one; what it came to is remembered, since it takes all their bytes."""
    own = layers[start:]
    parts = {"merged": [layer.diff_id for layer in own], "upon": [layer.diff_id for layer in layers[:start]]}
    key = Digest.of(encode_json(parts))
    known = store.records.find(key, ())
    if known is not None and known.layer is not None:
        return known.layer
    stack = [(layer, store.index(layer)) for layer in layers]
    upper, below = Tree(stack[start:], store.open_tar), Tree(stack[:start], store.open_tar)
    changes = merge(upper, [index for _, index in stack[start:]], below)
    layer = store.add_layer((entry, opener and judged(entry, opener)) for entry, opener in changes)
    store.records.put(Record(key, parts, layer))
    return layer


def _history(image: Image, merged: frozenset[int], lines: Mapping[int, History]) -> Iterator[History]:
    """The history with ``merged`` layers as lines without one. ``lines`` say what became of them, by the number of the
    last: each stands behind that, or at the very end, as docker has it, if there is no layer more.
    """
    number, count = 0, len(image.layers)
    for line in image.config.history:
        number += not line.empty_layer
        is_last = not line.empty_layer and number in lines and number < count
        yield replace(line, empty_layer=line.empty_layer or number in merged)
        if is_last:
            yield lines[number]
    if image.config.history and count in lines:
        yield lines[count]


def _comment(lower: Image, upper: Image) -> str:
    """What docker says of it."""
    return f"merge {upper.id} to {lower.id}" if lower.layers else f"create new from {upper.id}"
