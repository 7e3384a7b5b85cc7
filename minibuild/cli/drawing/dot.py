"""A plan for graphviz: ``minibuild plan --format=dot | dot -Tsvg``."""

from __future__ import annotations

from collections.abc import Iterator

from minibuild.build.predicting import Forecast
from minibuild.cli.drawing.picture import Box, Picture, clipped
from minibuild.plan import Plan

_WIDEST = 56
_SIGNS = {"cached": "●", "runs": "○", "perhaps": "?", "fails": "✕", "": " "}


def draw(plan: Plan, forecast: Forecast) -> str:
    """A directed graph: stages as boxes, each arrow from a stage to one that needs it."""
    picture = Picture.of(plan, forecast)
    lines = [
        "digraph plan {",
        "  rankdir=LR;",
        f"  label={_quoted(f'{picture.title}: {picture.summary}')};",
        '  node [shape=box, style="rounded", fontname="monospace", fontsize=11];',
        '  edge [fontname="sans-serif", fontsize=9];',
    ]
    lines += (f"  {_node(box, is_target=box.index in picture.targets)}" for box in picture.boxes.values())
    for arrow in picture.arrows:
        style = {"from": "bold", "copy": "solid", "mount": "dashed"}[arrow.kind]
        label = "" if arrow.kind == "from" else f", label={_quoted(f'{arrow.kind}, step {arrow.step}')}"
        lines.append(f"  stage{arrow.tail} -> stage{arrow.head} [style={style}{label}];")
    return "\n".join([*lines, "}"]) + "\n"


def _node(box: Box, *, is_target: bool) -> str:
    width = ", penwidth=2" if is_target else ""
    label = "".join(_escaped(line) + r"\l" for line in _lines(box))
    return f'stage{box.index} [label="{label}"{width}];'


def _lines(box: Box) -> Iterator[str]:
    yield f"{box.title} ← {clipped(box.base, _WIDEST)}"
    for line in box.lines[1:]:
        yield f"{_SIGNS[line.mark]} {line.number:>2} {clipped(line.text, _WIDEST)}"


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
