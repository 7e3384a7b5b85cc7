"""A plan for a terminal: the tree of what needs what, then the stages with their steps."""

from __future__ import annotations

import re
from collections.abc import Iterator

from minibuild.build.predicting import Forecast
from minibuild.cli.drawing.picture import SHORT_KEY, Box, Picture, clipped
from minibuild.plan import Plan
from minibuild.plan.graph import Arrow

_WIDEST = 60
_MARK = 9
_HUES = {"cached": "\x1b[32m", "runs": "\x1b[33m", "perhaps": "\x1b[35m", "fails": "\x1b[31m"}
_PLAIN = "\x1b[0m"
_MARKS = re.compile(rf"^  ({'|'.join(_HUES)})\b", re.MULTILINE)
_INDENT = " " * (_MARK + SHORT_KEY + 10)


def draw(plan: Plan, forecast: Forecast) -> str:
    """What there is to see, in words and a few lines."""
    picture = Picture.of(plan, forecast)
    lines = [f"{picture.title}: {picture.summary}"]
    if picture.arrows:
        lines.append("")
        shown: set[int] = set()
        for target in picture.targets:
            lines.append(picture.boxes[target].title)
            lines += _tree(picture, target, "", shown)
    for box in picture.boxes.values():
        lines += ["", *_stage(box)]
    if picture.not_needed:
        lines += ["", f"not needed: {', '.join(picture.not_needed)}"]
    if picture.warnings:
        lines += ["", f"{picture.warnings} warning{'s'[: picture.warnings - 1]}: see minibuild check"]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def paint(text: str) -> str:
    """The same with what becomes of steps in colour."""
    return _MARKS.sub(lambda mark: f"  {_HUES[mark[1]]}{mark[1]}{_PLAIN}", text)


def _tree(picture: Picture, index: int, indent: str, shown: set[int]) -> Iterator[str]:
    """What a stage needs, each stage's own needs told where it comes first."""
    needs: dict[int, list[Arrow]] = {}
    for arrow in picture.arrows:
        if arrow.head == index:
            needs.setdefault(arrow.tail, []).append(arrow)
    for place, (tail, why) in enumerate(needs.items(), start=1):
        is_last = place == len(needs)
        goes_on = any(arrow.head == tail for arrow in picture.arrows)
        above = ", see above" if tail in shown and goes_on else ""
        yield f"{indent}{'└' if is_last else '├'}◀─ {picture.boxes[tail].title} {_words(picture, why)}{above}"
        if tail not in shown:
            shown.add(tail)
            yield from _tree(picture, tail, indent + ("    " if is_last else "│   "), shown)


def _words(picture: Picture, why: list[Arrow]) -> str:
    if len(why) == 1:
        return f"({clipped(picture.line_of(why[0]).text, _WIDEST)})"
    kinds = dict.fromkeys({"from": "FROM", "copy": "COPY --from", "mount": "RUN --mount"}[arrow.kind] for arrow in why)
    return f"({', '.join(kinds)}: steps {', '.join(str(arrow.step) for arrow in why)})"


def _stage(box: Box) -> Iterator[str]:
    yield box.heading + ("" if box.is_built else ", not built: what is taken from it is cached")
    told: tuple[str, ...] = ()
    for line in box.lines:
        yield f"  {line.mark:<{_MARK}}{line.short_key:<{SHORT_KEY}}{line.number:>5}  {line.text}"
        yield from (f"{_INDENT}{detail}" for detail in line.details)
        if line.reasons and line.reasons != told:
            yield f"{_INDENT}{'because ' if line.mark == 'runs' else ''}{'; '.join(line.reasons)}"
        told = line.reasons or told
