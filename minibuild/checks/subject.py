"""What checks look at: a Dockerfile, its plan, and a window on the build context."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from minibuild.dockerfile.statements import Dockerfile, Statement
from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import split_words
from minibuild.errors import DockerfileError, Finding
from minibuild.instructions.base import StageState
from minibuild.instructions.effects import FromImage, FromStage
from minibuild.instructions.stage import From
from minibuild.plan.steps import Plan, Stage, Step
from minibuild.values import dataclass, field, replace

_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")


def _not_ignored(_path: str) -> str:
    return ""


def _no_files() -> Files:
    return Files()


@dataclass(frozen=True, slots=True)
class Files:
    """The regular files of a context that its ignore file leaves in: their paths and their sizes in bytes.

    ``is_all``: there are no more of them; the others were not looked at, so that a look stays short.
    """

    sizes: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    is_all: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """What checks may ask of a build context; the context is read only when they do.

    ``ignored_by`` answers which line of the ignore file leaves a path out (``.dockerignore line 3 (*.py)``), "" for
    none. ``ignore_file`` is that file's name, "" where there is none. ``files`` are those of the context.
    """

    ignored_by: Callable[[str], str] = _not_ignored
    ignore_file: str = ""
    files: Callable[[], Files] = _no_files


NO_CONTEXT = Window()
"""The window of those who have no context, or none that they may look at."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A Dockerfile under examination.

    The plan may lack steps of some stages, or all of them where the file can't be planned. ``arguments`` are the
    ``--build-arg`` words. ``unknown`` are the names of bases that nobody looked up: the plan took them for empty.
    """

    dockerfile: Dockerfile
    plan: Plan
    arguments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    window: Window = NO_CONTEXT
    unknown: frozenset[str] = frozenset()

    def heads(self) -> Iterator[tuple[Statement, From]]:
        """The FROMs of the file."""
        return (
            (statement, From.parse(statement))
            for statement in self.dockerfile.statements
            if statement.keyword == "FROM"
        )

    def own_steps(self, stage: Stage) -> tuple[Step, ...]:
        """The steps of a stage that stand in the file: not the triggers of its base."""
        return tuple(step for step in stage.steps if step.statement.span.source is self.dockerfile.source)

    def steps(self, *keywords: str) -> Iterator[Step]:
        """The steps of all stages, in the order of the file, that have one of these keywords."""
        return (
            step for stage in self.plan.stages for step in self.own_steps(stage) if step.statement.keyword in keywords
        )

    def targets(self) -> tuple[Stage, ...]:
        """The stages whose results are images, as far as they could be planned."""
        stages = self.plan.stages
        asked = self.plan.targets or (self.plan.target,)
        return tuple(stages[index] for index in asked if stages and stages[index].steps)

    def below(self, stage: Stage) -> Iterator[Stage]:
        """A stage and those it stands on: whose layers are its image's. The stage itself comes first."""
        yield stage
        while isinstance(stage.base, FromStage):
            stage = self.plan.stages[stage.base.stage]
            yield stage

    def shipped(self) -> Iterator[Stage]:
        """The stages whose layers are those of an image, each once."""
        found = {each.index: each for stage in self.targets() for each in self.below(stage)}
        return iter(found.values())

    def base_name(self, stage: Stage) -> str:
        """The image that a stage stands on at the bottom; "" for scratch."""
        *_, bottom = self.below(stage)
        return bottom.base.name if isinstance(bottom.base, FromImage) else ""

    def is_unknown(self, stage: Stage) -> bool:
        """Whether a stage stands, at the bottom, on a base that nobody looked up."""
        return self.base_name(stage) in self.unknown

    def is_up_to_base(self, step: Step) -> bool:
        """Whether a step names a variable that a base has, perhaps: one that nobody looked up, and no ARG is of it."""
        names = set(_VARIABLE.findall(step.statement.body.value)) - set(step.before.arguments)
        return bool(names) and self.is_unknown(self.plan.stages[step.stage])


Find: TypeAlias = Callable[[Subject], Iterator[Finding]]
Kind: TypeAlias = Literal["docker", "own", "experimental", "advice", "portability"]
"""``docker`` rules are BuildKit's and heard in a build, like our ``own``; ``experimental`` ones only where a Dockerfile
asks for them; ``advice`` is given by ``minibuild check`` alone, and word of ``portability`` to a tool that it is asked
about."""


def found_on_the_way(_subject: Subject) -> Iterator[Finding]:
    """Nothing more: reading, planning or copying tells of it, since only they see it."""
    return iter(())


@dataclass(frozen=True, slots=True)
class Check:
    """A rule: its name, one line on what it wants, what finds its breaches, and when it is heard."""

    rule: str
    about: str
    find: Find
    kind: Kind = "docker"


@dataclass(frozen=True, slots=True)
class Words:
    """The sources and the destination of a COPY or ADD as they are written, here-documents left out."""

    sources: tuple[Text, ...]
    destination: Text


def words_of(statement: Statement) -> Words:
    """The words of a COPY or an ADD that was read without an error."""
    words = split_words(statement.body) if statement.arguments is None else statement.arguments
    markers = {document.marker.span.start for document in statement.heredocs}
    *sources, destination = (word for word in words if word.span.start not in markers)
    return Words(tuple(sources), destination)


def flag_of(statement: Statement, name: str) -> Text | None:
    """The value of a statement's flag; None where it isn't given or has none."""
    return next((flag.value for flag in statement.flags if flag.name == name), None)


def expanded(state: StageState, text: Text) -> str:
    """A word with its variables replaced, and no word about undefined ones; "" where that can't be done."""
    try:
        return replace(state, report=lambda _finding: None).expand(text)
    except DockerfileError:
        return ""


def mounts_of(statement: Statement) -> Iterator[tuple[Text, dict[str, str]]]:
    """The ``--mount`` flags of a RUN: their values, and the keys and values in them, keys in lower case."""
    for flag in statement.flags:
        if flag.name == "mount" and flag.value:
            pairs = (part.partition("=") for part in flag.value.value.split(","))
            keys = {key.strip().lower(): value.strip("\"'") for key, _, value in pairs}
            yield flag.value, {"type": "bind", **keys}


def mount_targets(statement: Statement) -> tuple[str, ...]:
    """Where the mounts of a RUN are bound."""
    names = ("target", "dst", "destination")
    return tuple(keys[name].rstrip("/") or "/" for _, keys in mounts_of(statement) for name in names if name in keys)
