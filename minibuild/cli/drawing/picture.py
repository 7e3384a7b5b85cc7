"""What there is to see of a plan: boxes with lines, and arrows between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from minibuild.build.predicting import Forecast, Outcome, Prediction
from minibuild.cli.display.text import visible
from minibuild.instructions.effects import FromImage, FromStage
from minibuild.plan import Plan, Stage, Step
from minibuild.plan.graph import Arrow, arrows, columns
from minibuild.plan.text import change_lines, effect_lines, heading
from minibuild.values import dataclass

SHORT_KEY = 12
"""Digits of a key that people are shown."""

_OUTCOMES: Mapping[Outcome, str] = {
    "cached": "cached",
    "runs": "to run",
    "perhaps": "perhaps cached",
    "fails": "to fail",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A step: what becomes of it (None for one that only changes the configuration), its text, what it does."""

    number: int
    prediction: Prediction | None
    text: str
    details: tuple[str, ...]

    @property
    def mark(self) -> str:
        """What becomes of it, in a word; "" where there is nothing to be done."""
        return self.prediction.outcome if self.prediction else ""

    @property
    def short_key(self) -> str:
        """The first digits of its key; "" where it has none, or one that isn't known."""
        return self.prediction.key.removeprefix("sha256:")[:SHORT_KEY] if self.prediction else ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it isn't cached."""
        return tuple(map(visible, self.prediction.reasons)) if self.prediction else ()


@dataclass(frozen=True, slots=True)
class Box:
    """A stage. ``is_built``: the build goes through it, or may do so, and doesn't only take from it what is cached."""

    index: int
    title: str
    heading: str
    base: str
    lines: tuple[Line, ...]
    is_built: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """The needed stages by index, the arrows between them, and their columns; the names of those not needed."""

    title: str
    summary: str
    boxes: dict[int, Box]
    arrows: tuple[Arrow, ...]
    columns: tuple[tuple[int, ...], ...]
    targets: tuple[int, ...]
    not_needed: tuple[str, ...]
    warnings: int

    @classmethod
    def of(cls, plan: Plan, forecast: Forecast) -> Picture:
        """What there is to see."""
        boxes = {index: _box(plan, plan.stages[index], forecast) for index in plan.order}
        found = arrows(plan)
        names = ", ".join(boxes[index].title for index in plan.targets)
        return cls(
            title=f"{names} for {plan.stages[plan.target].platform}",
            summary=_summary(forecast),
            boxes=boxes,
            arrows=found,
            columns=columns(plan, found),
            targets=plan.targets,
            not_needed=tuple(stage.title for stage in plan.stages if stage.index not in boxes),
            warnings=len(plan.findings),
        )

    def line_of(self, arrow: Arrow) -> Line:
        """The step that an arrow is about."""
        return next(line for line in self.boxes[arrow.head].lines if line.number == arrow.step)


def clipped(text: str, width: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _box(plan: Plan, stage: Stage, forecast: Forecast) -> Box:
    title = stage.name or f"stage {stage.index}"
    match stage.base:
        case FromStage(index):
            base = plan.stages[index].name or f"stage {index}"
        case FromImage(name):
            base = name
        case None:
            base = "scratch"
    lines = tuple(_line(step, forecast.steps.get((stage.index, step.number))) for step in stage.steps)
    return Box(stage.index, title, heading(stage), base, lines, stage.index in forecast.built | forecast.open)


def _line(step: Step, prediction: Prediction | None) -> Line:
    effect = () if step.effect is None else effect_lines(step.effect, step.before)
    details = tuple(map(visible, (*effect, *change_lines(step.before, step.after))))
    text = visible(step.statement.original.strip().replace("\n", " "))
    return Line(step.number, prediction, text, details)


def _summary(forecast: Forecast) -> str:
    counts = Counter(prediction.outcome for prediction in forecast.steps.values())
    told = [f"{counts[outcome]} {words}" for outcome, words in _OUTCOMES.items() if counts[outcome]]
    return f"{sum(counts.values())} steps: {', '.join(told)}" if told else "no steps that make layers"
