"""What two images differ in, as people read it and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from minibuild.cli.display.text import visible
from minibuild.cli.units import human_size
from minibuild.comparing import Comparison, Difference, LayerDifference, Side, Value
from minibuild.comparing.difference import CONTENT, ENCODING, MTIME, ORDER, PRESENCE

_NOWHERE = "nothing"


def text(comparison: Comparison, *, whole: bool) -> Iterator[str]:
    """Lines for people, layers before what follows from them: all that differs, or of each part the first."""
    yield from _part("platform", comparison.platforms, whole=whole)
    layers = 0
    for layer in comparison.layers():
        layers += 1
        if whole or layers == 1:
            yield layer_title(layer)
            yield from entry_lines(comparison, layer, whole=whole)
    if layers > 1 and not whole:
        yield f"  {_counted(layers - 1, 'more layer')} differ{'s' if layers == 2 else ''}"
    yield from _part("configuration", comparison.configuration, whole=whole)
    yield from _part("history", comparison.history, whole=whole)
    yield from _part("annotations", comparison.annotations, whole=whole)


def entry_lines(comparison: Comparison, layer: LayerDifference, *, whole: bool) -> Iterator[str]:
    """What differs in a layer: the first that isn't a time and how much more there is, or all."""
    shown = layer.differences if whole else (layer.first,)
    for difference in shown:
        at = comparison.first_byte(layer, difference)
        yield f"  {said(difference)}{'' if at is None else f', from byte {at} on'}"
    left_out = layer.differences if not whole else ()
    times = sum(one.field == MTIME and one != layer.first for one in left_out)
    others = len(left_out) - times - 1
    more = [*([_counted(others, "more")] if others > 0 else []), *([_counted(times, "more time")] if times else [])]
    if more:
        yield f"  and {' and '.join(more)}"


def layer_title(layer: LayerDifference) -> str:
    """Which layer it is, what made it, and how much of it differs."""
    one, other = layer.numbers
    which = f"layer {one or other}" + (f" (of the other {other})" if one and other and one != other else "")
    made = f", made by {visible(layer.made_by)}" if layer.made_by else ""
    return f"{which}{made}{extent(layer)}"


def extent(layer: LayerDifference) -> str:
    """How much of a layer differs, where both images have it and entries do."""
    paths = len({difference.subject for difference in layer.differences if difference.subject})
    return f": {paths} of {layer.entries} entries differ" if paths else ""


def said(difference: Difference) -> str:
    """One difference in a line."""
    subject, field, left, right = (difference.subject, difference.field, difference.left, difference.right)
    match field:
        case _ if field == ORDER:
            return f"the same entries in another order: /{visible(str(left))} → /{visible(str(right))}"
        case _ if field == ENCODING:
            return "the same entries, written otherwise (parts of seconds, PAX records, padding)"
        case _ if field == PRESENCE and not subject:
            return f"is in the {'second' if left is None else 'first'} image only"
        case _ if field == PRESENCE and not subject.isdecimal():
            return f"/{visible(subject)}: {right if left is None else left} in the {_only(left)} image only"
        case _ if field == PRESENCE:
            return f"line {subject} in the {_only(left)} image only: {visible(str(right if left is None else left))}"
    name = f"line {subject} {field}" if subject.isdecimal() else f"/{visible(subject)} {field}" if subject else field
    return f"{name}: {_value(field, left)} → {_value(field, right)}"


def document(platform: str, comparison: Comparison) -> dict[str, Any]:
    """All that differs, for programs."""
    parts = {
        "platforms": comparison.platforms,
        "configuration": comparison.configuration,
        "history": comparison.history,
        "annotations": comparison.annotations,
    }
    return {
        "platform": platform,
        "left": side(comparison.left),
        "right": side(comparison.right),
        "equal": comparison.is_equal,
        "layers": [_layer(comparison, layer) for layer in comparison.layers()],
        **{name: [_field(one) for one in found] for name, found in parts.items()},
    }


def side(one: Side) -> dict[str, Any]:
    """What is said of an image that was compared."""
    return {"name": one.name, "id": one.image.id, "digest": one.image.digest}


def dumped(value: object) -> str:
    """JSON for programs and people alike."""
    return json.dumps(value, indent=2)


def _layer(comparison: Comparison, layer: LayerDifference) -> dict[str, Any]:
    one, other = layer.numbers
    return {
        "left": one or None,
        "right": other or None,
        "made_by": layer.made_by,
        "differences": [
            {
                "path": difference.subject,
                "field": difference.field,
                "left": difference.left,
                "right": difference.right,
                "first_byte": comparison.first_byte(layer, difference),
            }
            for difference in layer.differences
        ],
    }


def _field(difference: Difference) -> dict[str, Any]:
    line = {"line": int(difference.subject)} if difference.subject else {}
    return {**line, "field": difference.field, "left": difference.left, "right": difference.right}


def _part(title: str, differences: Sequence[Difference], *, whole: bool) -> Iterator[str]:
    if differences:
        yield title
        for difference in differences if whole else differences[:1]:
            yield f"  {said(difference)}"
        if len(differences) > 1 and not whole:
            yield f"  and {_counted(len(differences) - 1, 'more')}"


def _value(field: str, value: Value) -> str:
    if value is None:
        return _NOWHERE
    if field == CONTENT:
        return str(value)[:19]
    if field == "size" and isinstance(value, int):
        return human_size(value) if value >= 10_000_000 else f"{value} bytes"
    if field == MTIME and isinstance(value, int):
        from minibuild.oci.times import rfc3339

        return rfc3339(value)
    return visible(json.dumps(value, ensure_ascii=False)) if not isinstance(value, str) or not value else visible(value)


def _only(left: Value) -> str:
    return "second" if left is None else "first"


def _counted(number: int, what: str) -> str:
    if what == "more":
        return f"{number} more"
    return f"{number} {what}{'' if number == 1 else 's'}"
