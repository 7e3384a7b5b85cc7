"""Steps: instructions placed in a stage, and the fold of a stage's state over them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from minibuild.dockerfile.statements import Statement
from minibuild.errors import DockerfileError, Finding, MinibuildError, blame
from minibuild.instructions.base import Instruction, StageState
from minibuild.instructions.effects import Effect, FromImage, FromStage, Variables, origins_of
from minibuild.instructions.environment import Env
from minibuild.instructions.pairs import Pairs
from minibuild.instructions.stage import Arg
from minibuild.oci import Image, Platform
from minibuild.source import Span
from minibuild.values import dataclass, field, replace

_VARIABLE = re.compile(r"\$\{?(\w+)")


@dataclass(frozen=True, slots=True)
class Step:
    """An instruction placed in a stage. ``number`` counts from 1, FROM being 1; ``stage`` is the stage's index.

    ``history`` is its line in the image's history, "" where it has none (FROM, ONBUILD).
    """

    number: int
    stage: int
    statement: Statement
    instruction: Instruction
    effect: Effect | None
    before: StageState
    after: StageState
    history: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and its steps; ``steps`` is empty for a stage that the target doesn't need.

    ``base`` is None for scratch. ``name`` is in lower case, "" for none. ``needs`` are the stages it is based on or
    copies from. ``image`` is the base's; None where the base is a stage or scratch.
    """

    index: int
    name: str
    base: FromStage | FromImage | None
    base_span: Span = field(compare=False, repr=False)
    platform: Platform
    steps: tuple[Step, ...] = ()
    needs: frozenset[int] = frozenset()
    image: Image | None = None

    @property
    def title(self) -> str:
        """What people call it: its name, or else its number."""
        return self.name or str(self.index)

    @property
    def result(self) -> StageState:
        """The state after its last step; only for a stage with steps."""
        return self.steps[-1].after


@dataclass(frozen=True, slots=True)
class Options:
    """What a build's caller asks of a plan.

    ``target`` is a stage's name or number, "" for the last; several are parted by commas. ``all_stages``: those that
    no target needs are planned too. ``labels`` go on the results alone. ``proxies`` are what RUN sees without it being
    part of any key. ``contexts`` are the names that ``--build-context`` gave: they win over stages and images of that
    name.
    """

    build_arguments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    target: str = ""
    platform: Platform = field(default_factory=Platform.of_this_machine)
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    proxies: Variables = ()
    contexts: frozenset[str] = frozenset()
    build_platform: Platform = field(default_factory=Platform.of_this_machine)
    all_stages: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All stages of the file, and ``order``: the indices of those that are needed, each after its needs.

    ``targets`` are the indices of the stages asked for, each once, in the order asked; ``target`` is the last of
    them, which is the result where there can be only one.
    """

    stages: tuple[Stage, ...]
    target: int
    order: tuple[int, ...]
    findings: tuple[Finding, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    targets: tuple[int, ...] = ()

    def base_of(self, index: int) -> Image:
        """The image that a stage stands on, below all stages that it is FROM."""
        stage = self.stages[index]
        while isinstance(stage.base, FromStage):
            stage = self.stages[stage.base.stage]
        return stage.image or Image.scratch(stage.platform)


Placed = tuple[Statement, Instruction]
"""An instruction and the statement that said it."""


def fold(
    state: StageState, placed: Iterable[Placed], number: int, wrong: Callable[[MinibuildError], None]
) -> tuple[Step, ...]:
    """The steps of instructions that begin with a state, numbered from ``number`` on.

    An instruction that can't be carried out is told to ``wrong``, and the next ones go on without it; not told is one
    that uses a variable which an earlier one failed to set, since the first of the two may be all that is wrong.
    """
    steps: list[Step] = []
    unset: set[str] = set()
    for statement, instruction in placed:
        before = replace(state, escape=statement.escape)
        try:
            with blame(statement.span):
                step = _step(number + len(steps), statement, instruction, before)
        except DockerfileError as error:
            if unset.isdisjoint(_VARIABLE.findall(statement.original)):
                wrong(error)
            unset |= _set_by(instruction)
            state = _used(before, statement)
            continue
        steps.append(step)
        state = step.after
    return tuple(steps)


def stages_copied_from(steps: Iterable[Step]) -> frozenset[int]:
    """The indices of the stages that steps copy from, or mount files of."""
    origins = (origin for step in steps for origin in origins_of(step.effect))
    return frozenset(origin.stage for origin in origins if isinstance(origin, FromStage))


def _step(number: int, statement: Statement, instruction: Instruction, before: StageState) -> Step:
    effect = instruction.effect(before)
    after = _used(instruction.configure(before), statement)
    history = instruction.describe(before)
    return Step(number, before.stage, statement, instruction, effect, before, after, history)


def _set_by(instruction: Instruction) -> set[str]:
    match instruction:
        case Arg(declarations):
            return {name.value for name, _ in declarations}
        case Env(Pairs(pairs=pairs)):
            return {name.value for name, _ in pairs}
        case _:
            return set()


def _used(state: StageState, statement: Statement) -> StageState:
    return replace(state, own_keywords=state.own_keywords | {statement.keyword})
