"""A plan as a picture: boxes in columns by what they need, and arrows. One file, no script, no font of its own; light
where its reader's page is light, dark where that is dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from minibuild.build.predicting import Forecast
from minibuild.cli.drawing.picture import Box, Line, Picture, clipped
from minibuild.plan import Plan
from minibuild.plan.graph import Arrow
from minibuild.values import dataclass

_WIDEST = 52
_LETTER, _ROW, _HEAD, _PAD = 7.25, 20, 34, 14
_SIGN, _NUMBER = 20, 26
_BETWEEN_COLUMNS, _BETWEEN_BOXES, _LANE, _MARGIN, _TOP = 96, 28, 12, 24, 68
_WORDS = {"cached": "cached", "runs": "runs", "perhaps": "perhaps cached", "fails": "fails"}

_XMLNS = 'xmlns="http://www.w3.org/2000/svg"'
_TIP = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker></defs>'
)
# Colours stand in each rule by themselves: many readers of SVG know no variables.
_FORM = """\
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.title { font-size: 15px; font-weight: 600; }
.name, .perhaps, .fails { font-weight: 700; }
.box { stroke-width: 1; }
.target { stroke-width: 2; }
.unbuilt { stroke-dasharray: 5 4; }
.arrow { fill: none; stroke-width: 1.4; }
.from { stroke-width: 2.4; }
.mount { stroke-dasharray: 4 3; }
circle.runs { fill: none; stroke-width: 2; }
"""
_COLOURS = """\
.page { fill: %(page)s; }
text { fill: %(ink)s; }
.faint, .plain, .head { fill: %(faint)s; }
.box { fill: %(box)s; stroke: %(rim)s; }
.rule { stroke: %(rim)s; }
.target { stroke: %(target)s; }
.arrow { stroke: %(faint)s; }
.cached { fill: %(cached)s; }
.runs { stroke: %(runs)s; }
.perhaps { fill: %(perhaps)s; }
.fails { fill: %(fails)s; }
"""
_LIGHT = {
    "page": "#ffffff",
    "ink": "#1f2328",
    "faint": "#59636e",
    "box": "#f6f8fa",
    "rim": "#d1d9e0",
    "target": "#0969da",
    "cached": "#1a7f37",
    "runs": "#bc4c00",
    "perhaps": "#8250df",
    "fails": "#cf222e",
}
_DARK = {
    "page": "#0d1117",
    "ink": "#e6edf3",
    "faint": "#9198a1",
    "box": "#151b23",
    "rim": "#3d444d",
    "target": "#4493f8",
    "cached": "#3fb950",
    "runs": "#f0883e",
    "perhaps": "#bc8cff",
    "fails": "#f85149",
}
_STYLE = f"{_FORM}{_COLOURS % _LIGHT}@media (prefers-color-scheme: dark) {{\n{_COLOURS % _DARK}}}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a box stands."""

    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.top + self.height

    def row(self, place: int) -> float:
        """The middle of a row; -1 is the head."""
        return self.top + (_HEAD / 2 if place < 0 else _HEAD + _ROW * (place + 0.5) + 6)


def draw(plan: Plan, forecast: Forecast) -> str:
    """The picture."""
    picture = Picture.of(plan, forecast)
    places = _places(picture)
    width = max([place.left + place.width for place in places.values()], default=0) + _MARGIN
    width = max(width, _MARGIN * 2 + len(picture.summary) * _LETTER, _MARGIN * 2 + 460)
    lanes = _lanes(picture, places)
    height = max([*(place.bottom for place in places.values()), *lanes.values()], default=_TOP) + _MARGIN + 26
    lines = [
        f'<svg {_XMLNS} width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{_text(picture.title)}</title>",
        f"<style>\n{_STYLE}\n</style>",
        '<rect class="page" width="100%" height="100%"/>',
        _TIP,
        f'<text class="title" x="{_MARGIN}" y="32">{_text(picture.title)}</text>',
        f'<text class="faint" x="{_MARGIN}" y="52">{_text(picture.summary)}</text>',
        *(_arrow(arrow, picture, places, lanes.get(arrow)) for arrow in picture.arrows),
        *(line for box in picture.boxes.values() for line in _box(box, picture, places[box.index])),
        *_legend(height - _MARGIN),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _places(picture: Picture) -> Mapping[int, _Place]:
    """Columns side by side, the boxes of each one below the other, in the middle of the picture's height."""
    sizes = {box.index: _size(box) for box in picture.boxes.values()}
    heights = [sum(sizes[i][1] + _BETWEEN_BOXES for i in column) - _BETWEEN_BOXES for column in picture.columns]
    places: dict[int, _Place] = {}
    left = float(_MARGIN)
    for column, height in zip(picture.columns, heights, strict=True):
        top = _TOP + (max(heights) - height) / 2
        for index in column:
            places[index] = _Place(left, top, *sizes[index])
            top += sizes[index][1] + _BETWEEN_BOXES
        left += max(sizes[index][0] for index in column) + _BETWEEN_COLUMNS
    return places


def _size(box: Box) -> tuple[float, float]:
    longest = max([len(_shown(line)) for line in box.lines[1:]], default=0)
    inner = max(_SIGN + _NUMBER + longest * _LETTER, len(_head(box)) * _LETTER)
    return max(inner, 120) + 2 * _PAD, _HEAD + _ROW * len(box.lines[1:]) + (12 if box.lines[1:] else 0)


def _shown(line: Line) -> str:
    return clipped(line.text, _WIDEST)


def _head(box: Box) -> str:
    return f"{clipped(box.title, _WIDEST // 2)}  from {clipped(box.base, _WIDEST // 2)}"


def _box(box: Box, picture: Picture, place: _Place) -> Iterator[str]:
    kinds = " ".join(["box", *(["target"] * (box.index in picture.targets)), *(["unbuilt"] * (not box.is_built))])
    yield f"<g><title>{_text(box.heading)}</title>"
    yield (
        f'<rect class="{kinds}" x="{place.left:.1f}" y="{place.top:.1f}" width="{place.width:.1f}" '
        f'height="{place.height:.1f}" rx="7"/>'
    )
    name, _, base = _head(box).partition("  ")
    yield (
        f'<text x="{place.left + _PAD:.1f}" y="{place.row(-1) + 4:.1f}"><tspan class="name">{_text(name)}</tspan>'
        f'<tspan class="faint" dx="{2 * _LETTER:.1f}">{_text(base)}</tspan></text>'
    )
    if box.lines[1:]:
        y = place.top + _HEAD
        yield f'<path class="rule" d="M{place.left:.1f} {y:.1f}h{place.width:.1f}"/>'
    for row, line in enumerate(box.lines[1:]):
        yield _line(line, place.left + _PAD, place.row(row))
    yield "</g>"


def _line(line: Line, left: float, middle: float) -> str:
    told = "\n".join([line.text, *line.details, *line.reasons, *([f"key {line.short_key}"] if line.short_key else [])])
    kind = "" if line.mark else ' class="plain"'
    return (
        f"<g><title>{_text(told)}</title>{_sign(line.mark, left, middle)}"
        f'<text class="faint" x="{left + _SIGN + 16:.1f}" y="{middle + 4:.1f}" text-anchor="end">{line.number}</text>'
        f'<text{kind} x="{left + _SIGN + _NUMBER:.1f}" y="{middle + 4:.1f}">{_text(_shown(line))}</text></g>'
    )


def _sign(mark: str, left: float, middle: float) -> str:
    if mark in ("cached", "runs"):
        return f'<circle class="{mark}" cx="{left + 6:.1f}" cy="{middle:.1f}" r="{5 if mark == "cached" else 4}"/>'
    letter = {"perhaps": "?", "fails": "✕"}.get(mark)
    return f'<text class="{mark}" x="{left + 2.5:.1f}" y="{middle + 4:.1f}">{letter}</text>' if letter else ""


def _lanes(picture: Picture, places: Mapping[int, _Place]) -> dict[Arrow, float]:
    """How far down arrows run that pass other columns: below the boxes there, each on a line of its own."""
    depths = {index: depth for depth, column in enumerate(picture.columns) for index in column}
    lanes: dict[Arrow, float] = {}
    for arrow in picture.arrows:
        between = picture.columns[depths[arrow.tail] + 1 : depths[arrow.head]]
        if between:
            bottom = max(places[index].bottom for column in between for index in column)
            lane = bottom + 1.5 * _LANE
            while any(abs(lane - other) < _LANE for other in lanes.values()):
                lane += _LANE / 2
            lanes[arrow] = lane
    return lanes


def _arrow(arrow: Arrow, picture: Picture, places: Mapping[int, _Place], lane: float | None) -> str:
    tail, head = places[arrow.tail], places[arrow.head]
    numbers = [line.number for line in picture.boxes[arrow.head].lines[1:]]
    row = -1 if arrow.kind == "from" else numbers.index(arrow.step)
    x, y, to_x, to_y = tail.left + tail.width, tail.row(-1), head.left - 1, head.row(row)
    if lane is None:
        bend = (to_x - x) / 2
        path = f"C{x + bend:.1f} {y:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    else:
        bend = _BETWEEN_COLUMNS / 2 - 4
        down = f"C{x + bend:.1f} {y:.1f} {x + bend:.1f} {lane:.1f} {x + 2 * bend:.1f} {lane:.1f}"
        up = f"C{to_x - bend:.1f} {lane:.1f} {to_x - bend:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
        path = f"{down}H{to_x - 2 * bend:.1f}{up}"
    return (
        f'<path class="arrow {arrow.kind}" marker-end="url(#tip)" d="M{x:.1f} {y:.1f}{path}">'
        f"<title>{_text(picture.line_of(arrow).text)}</title></path>"
    )


def _legend(y: float) -> Iterator[str]:
    x = float(_MARGIN)
    for mark, words in _WORDS.items():
        yield f'{_sign(mark, x, y - 4)}<text class="faint" x="{x + _SIGN:.1f}" y="{y:.1f}">{words}</text>'
        x += _SIGN + (len(words) + 3) * _LETTER
    for kind, words in (("from", "FROM"), ("copy", "COPY"), ("mount", "mount")):
        yield f'<path class="arrow {kind}" d="M{x:.1f} {y - 4:.1f}h22"/>'
        yield f'<text class="faint" x="{x + 28:.1f}" y="{y:.1f}">{words}</text>'
        x += 28 + (len(words) + 3) * _LETTER


def _text(text: str) -> str:
    return escape(text, quote=True)
