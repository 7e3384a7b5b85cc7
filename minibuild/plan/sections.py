"""A Dockerfile cut at its FROMs, every statement parsed: what is known before anything is expanded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile

from minibuild import instructions
from minibuild.dockerfile.statements import Dockerfile, Statement
from minibuild.errors import DockerfileError, MinibuildError, UsageError, blame, did_you_mean
from minibuild.instructions.copy import Copy
from minibuild.instructions.run import Run
from minibuild.instructions.stage import Arg, From
from minibuild.plan.steps import Placed
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A FROM and the instructions up to the next; ``index`` counts from 0; ``name`` is in lower case, "" for none."""

    index: int
    name: str
    statement: Statement
    head: From
    placed: tuple[Placed, ...]

    def origins(self) -> Iterator[str]:
        """The words of the ``--from`` flags in it, and of its mounts, in lower case."""
        for _, instruction in self.placed:
            if isinstance(instruction, Copy) and instruction.origin:
                yield instruction.origin.value.lower()
            if isinstance(instruction, Run):
                yield from (mount.origin.value.lower() for mount in instruction.mounts if mount.origin)


@dataclass(frozen=True, slots=True)
class Sections:
    """The whole file: ARGs above the first FROM, then a section for each FROM."""

    preamble: tuple[Placed, ...]
    sections: tuple[Section, ...]

    def names_before(self, index: int) -> Mapping[str, int]:
        """The names and numbers of the stages above a section; of two with one name, the nearer."""
        earlier = self.sections[:index]
        return {
            **{str(section.index): section.index for section in earlier},
            **{section.name: section.index for section in earlier if section.name},
        }

    def names_from(self, index: int) -> Mapping[str, int]:
        """The names and numbers of a section and those below it; of two with one name, the nearer."""
        later = self.sections[index:][::-1]
        return {
            **{str(section.index): section.index for section in later},
            **{section.name: section.index for section in later if section.name},
        }

    def targets(self, words: str) -> Mapping[int, str]:
        """The indices of the stages of these names or numbers, parted by commas, each once in the order asked, with
        the word that first asked for it.

        "" is the last stage. Raises UsageError where there is none.
        """
        names = [name.strip() for name in words.split(",")] if words else [""]
        if words and "" in names:
            raise UsageError(f"--target {words!r} has a name too few", hint="write the names of stages: a,b")
        found: dict[int, str] = {}
        for name in names:
            found.setdefault(self._target(name), name)
        return found

    def _target(self, name: str) -> int:
        if not name:
            return len(self.sections) - 1
        names = self.names_before(len(self.sections))
        if name.lower() in names:
            return names[name.lower()]
        near = did_you_mean(name, [section.name for section in self.sections if section.name])
        if near:
            found = names[near.removeprefix("did you mean ").removesuffix("?")]
            line = self.sections[found].statement.span.line
            near = f"did you mean {self.sections[found].name} (line {line})?"
        raise UsageError(f"no stage has the name '{name}'", hint=near or "name one by FROM … AS name")

    def declared(self) -> set[str]:
        """The names of all ARGs, as they are written."""
        everything = [*self.preamble, *(placed for section in self.sections for placed in section.placed)]
        return {name.value for _, arg in everything if isinstance(arg, Arg) for name, _ in arg.declarations}


def cut(dockerfile: Dockerfile) -> Sections:
    """The sections of a file; raises DockerfileError with all that is wrong in single statements."""
    errors: list[MinibuildError] = []
    preamble: list[Placed] = []
    heads: list[tuple[Statement, From]] = []
    bodies: list[list[Placed]] = []
    for statement in dockerfile.statements:
        try:
            with blame(statement.span):
                instruction = instructions.parse(statement)
        except DockerfileError as error:
            errors.append(error)
            continue
        if isinstance(instruction, From):
            heads.append((statement, instruction))
            bodies.append([])
        else:
            (bodies[-1] if bodies else preamble).append((statement, instruction))
    errors.extend(_out_of_place(dockerfile))
    if errors:
        raise DockerfileError.together(errors)
    sections = (
        Section(index, head.stage_name, statement, head, tuple(body))
        for index, ((statement, head), body) in enumerate(zip(heads, bodies, strict=True))
    )
    return Sections(tuple(preamble), tuple(sections))


def _out_of_place(dockerfile: Dockerfile) -> Iterator[DockerfileError]:
    above = list(takewhile(lambda statement: statement.keyword != "FROM", dockerfile.statements))
    stray = next((statement for statement in above if statement.keyword != "ARG"), None)
    hint = "begin with FROM and an image, or FROM scratch; only ARG may stand above it"
    if stray is not None:
        yield DockerfileError(f"{stray.keyword} stands above the first FROM", span=stray.keyword_span, hint=hint)
    elif len(above) == len(dockerfile.statements):
        span = above[-1].keyword_span if above else None
        yield DockerfileError(f"{dockerfile.source.name} has no FROM", span=span, hint=hint)
