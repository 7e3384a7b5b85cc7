"""A plan as a graph: which stage needs which, what for, and where each stands when it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from minibuild.instructions.effects import CopyFiles, FromStage, origins_of
from minibuild.plan.steps import Plan
from minibuild.values import dataclass

Kind: TypeAlias = Literal["from", "copy", "mount"]


@dataclass(frozen=True, slots=True)
class Arrow:
    """Stage ``head`` needs stage ``tail``: as its base, or because its step ``step`` copies or mounts files of it."""

    tail: int
    head: int
    kind: Kind
    step: int = 1


def arrows(plan: Plan) -> tuple[Arrow, ...]:
    """The arrows of a plan, in the order of the file, each once."""
    found: dict[Arrow, None] = {}
    for index in plan.order:
        stage = plan.stages[index]
        if isinstance(stage.base, FromStage):
            found[Arrow(stage.base.stage, index, "from")] = None
        for step in stage.steps:
            kind: Kind = "copy" if isinstance(step.effect, CopyFiles) else "mount"
            for origin in origins_of(step.effect):
                if isinstance(origin, FromStage):
                    found[Arrow(origin.stage, index, kind, step.number)] = None
    return tuple(sorted(found, key=lambda arrow: (arrow.head, arrow.step)))


def columns(plan: Plan, arrows: Sequence[Arrow]) -> tuple[tuple[int, ...], ...]:
    """The needed stages by depth: those that need no other first, each right of all that it needs.

    In a column they stand about where those stand that they need, so that few arrows cross.
    """
    needs = {index: sorted({arrow.tail for arrow in arrows if arrow.head == index}) for index in plan.order}
    depths: dict[int, int] = {}
    for index in _sorted_by_needs(needs):
        depths[index] = max((depths[other] + 1 for other in needs[index]), default=0)
    found: list[tuple[int, ...]] = []
    places: dict[int, float] = {}
    for depth in range(max(depths.values(), default=-1) + 1):
        column = [index for index in plan.order if depths[index] == depth]
        means = {index: _mean([places[other] for other in needs[index]], float(index)) for index in column}
        found.append(tuple(sorted(column, key=lambda index: (means[index], index))))
        places.update({index: float(place) for place, index in enumerate(found[-1])})
    return tuple(found)


def _sorted_by_needs(needs: Mapping[int, Sequence[int]]) -> list[int]:
    # Stages need earlier ones only, but for the triggers of a base, which may name later ones.
    done: dict[int, None] = {}

    def visit(index: int) -> None:
        if index not in done:
            for other in needs[index]:
                visit(other)
            done[index] = None

    for index in needs:
        visit(index)
    return list(done)


def _mean(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise
