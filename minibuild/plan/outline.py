"""What there is to choose in a Dockerfile: its targets, and what a target takes. BuildKit's subrequests ``outline`` and
``targets`` answer the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from minibuild.dockerfile.statements import Dockerfile, Statement
from minibuild.dockerfile.text import Text
from minibuild.instructions.effects import CacheMount, RunCommand, SecretMount, SshMount
from minibuild.instructions.stage import Arg
from minibuild.plan.descriptions import description_of
from minibuild.plan.scope import global_scope
from minibuild.plan.sections import Sections, cut
from minibuild.plan.steps import Options, Placed, Plan, Stage, fold
from minibuild.source import Span
from minibuild.values import dataclass, replace

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Target:
    """A stage to be asked for. ``base`` and ``platform`` are as they are written; ``name`` "" has none."""

    name: str
    description: str
    base: str
    platform: str
    span: Span
    is_default: bool


@dataclass(frozen=True, slots=True)
class Argument:
    """An ARG: its value is what the build would see, "" for none."""

    name: str
    value: str
    description: str
    span: Span


@dataclass(frozen=True, slots=True)
class Input:
    """A secret, an agent or a cache, by its id. ``is_required``: the build fails without."""

    id: str
    span: Span
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """What the stages that a target needs take from their caller, in the order of the file."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    secrets: tuple[Input, ...]
    agents: tuple[Input, ...]
    caches: tuple[Input, ...]


def targets_of(dockerfile: Dockerfile) -> tuple[Target, ...]:
    """The stages of a file; the last is built where nobody asks for one."""
    sections = cut(dockerfile).sections
    return tuple(
        Target(
            name=section.head.name.value if section.head.name else "",
            description=_described(section.statement, section.head.name),
            base=section.head.image.value,
            platform=section.head.platform.value if section.head.platform else "",
            span=section.statement.span,
            is_default=section is sections[-1],
        )
        for section in sections
    )


def outline_of(dockerfile: Dockerfile, plan: Plan, options: Options) -> Outline:
    """What a plan's target takes; ``options`` are those that the plan was made with."""
    sections = cut(dockerfile)
    target = sections.sections[plan.target]
    stages = [plan.stages[index] for index in plan.order]
    return Outline(
        name=target.head.name.value if target.head.name else "",
        description=_described(target.statement, target.head.name),
        arguments=tuple(_arguments(sections, stages, options)),
        secrets=_inputs(stages, SecretMount),
        agents=_inputs(stages, SshMount),
        caches=_inputs(stages, CacheMount),
    )


def _described(statement: Statement, name: Text | None) -> str:
    return (description_of(statement, name.value) or "") if name else ""


def _arguments(sections: Sections, stages: list[Stage], options: Options) -> Iterator[Argument]:
    """Each ARG once, where it is first declared: those above the first FROM that are used, then the stages' own."""
    begin = global_scope(options, sections.sections[stages[-1].index].name)
    steps = fold(begin, sections.preamble, 1, lambda _error: None)
    own = [(step.statement, step.instruction) for stage in stages for step in stage.steps]
    used = _used(sections, stages, own)
    described = dict(_descriptions((*own, *sections.preamble)))
    found: dict[str, Argument] = {}
    for step in (*steps, *(step for stage in stages for step in stage.steps)):
        if isinstance(step.instruction, Arg):
            for name, _ in step.instruction.declarations:
                if name.value in used and name.value not in found:
                    value = step.after.variables.get(name.value, "")
                    found[name.value] = Argument(name.value, value, described.get(name.value, ""), step.statement.span)
    yield from found.values()


def _used(sections: Sections, stages: list[Stage], own: list[Placed]) -> frozenset[str]:
    """The names of the ARGs that something depends on: a stage's own, those in FROM lines, and those in defaults."""
    used = {name.value for _, arg in own if isinstance(arg, Arg) for name, _ in arg.declarations}
    for stage in stages:
        head = sections.sections[stage.index].head
        used |= _names(head.image) | (_names(head.platform) if head.platform else set())
    for _, arg in sections.preamble[::-1]:
        for name, default in arg.declarations[::-1] if isinstance(arg, Arg) else ():
            used |= _names(default) if default and name.value in used else set()
    return frozenset(used)


def _names(text: Text) -> set[str]:
    return set(_VARIABLE.findall(text.value))


def _descriptions(placed: tuple[Placed, ...]) -> Iterator[tuple[str, str]]:
    for statement, arg in placed[::-1]:
        for name, _ in arg.declarations if isinstance(arg, Arg) else ():
            if description := description_of(statement, name.value):
                yield name.value, description


def _inputs(stages: list[Stage], kind: type[SecretMount | SshMount | CacheMount]) -> tuple[Input, ...]:
    """The mounts of a kind, each id once, where it comes first; required if it is anywhere."""
    found: dict[str, Input] = {}
    for step in (step for stage in stages for step in stage.steps):
        for mount in step.effect.mounts if isinstance(step.effect, RunCommand) else ():
            if isinstance(mount, kind):
                known = found.get(mount.id) or Input(mount.id, step.statement.span)
                required = not isinstance(mount, CacheMount) and mount.required
                found[mount.id] = replace(known, is_required=known.is_required or required)
    return tuple(found.values())
