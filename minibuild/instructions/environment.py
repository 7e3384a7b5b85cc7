"""What later instructions run in: ENV, USER, WORKDIR."""

from __future__ import annotations

from types import MappingProxyType
from typing import ClassVar, Self

from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.errors import Finding
from minibuild.instructions.base import StageState, WithoutEffect, body_of
from minibuild.instructions.effects import MakeDirectory, Variables
from minibuild.instructions.flags import no_flags
from minibuild.instructions.pairs import Pairs
from minibuild.source import Span
from minibuild.values import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Env(WithoutEffect):
    """``ENV name=value …`` or the old ``ENV name value``: variables of the image, for RUN and for containers.

    All values of one ENV are worked out with those before it: in ``ENV a=1 b=$a``, b is the older a. Source:
    Dockerfile reference, ENV.
    """

    keyword: ClassVar[str] = "ENV"
    pairs: Pairs

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        return cls(Pairs.of(statement))

    def configure(self, state: StageState) -> StageState:
        self.pairs.report_old_form(state)
        config, variables = state.config, dict(state.variables)
        for name, value in self._expanded(state):
            config = replace(config, environment=config.with_variable(name, value))
            variables[name] = value
        return replace(state, config=config, variables=MappingProxyType(variables))

    def describe(self, state: StageState) -> str:
        return " ".join(["ENV", *(f"{name}={value}" for name, value in self._expanded(state))])

    def _expanded(self, state: StageState) -> Variables:
        return self.pairs.expanded(state)


@dataclass(frozen=True, slots=True)
class User(WithoutEffect):
    """``USER user[:group]``: who RUN, CMD and ENTRYPOINT run as, by names or numbers.

    Names are looked up when something runs. Source: Dockerfile reference, USER.
    """

    keyword: ClassVar[str] = "USER"
    name: Text

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        return cls(body_of(statement, "a user, by name or number"))

    def configure(self, state: StageState) -> StageState:
        return replace(state, config=replace(state.config, user=state.expand(self.name)))

    def describe(self, state: StageState) -> str:
        return f"USER {state.expand(self.name)}"


@dataclass(frozen=True, slots=True)
class Workdir:
    """``WORKDIR path``: the directory that RUN, CMD, ENTRYPOINT, COPY and ADD start from; made if it is missing.

    A relative path goes on from the one before. Source: Dockerfile reference, WORKDIR.
    """

    keyword: ClassVar[str] = "WORKDIR"
    path: Text
    span: Span = field(compare=False, repr=False)

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        return cls(body_of(statement, "a path"), statement.body.span)

    def configure(self, state: StageState) -> StageState:
        path = state.expand(self.path)
        if not path.startswith("/") and "WORKDIR" not in state.own_keywords:
            message = f"WORKDIR {path or 'with an empty path'} depends on where the base image leaves off"
            state.report(Finding("WorkdirRelativePath", message, self.span, "start with an absolute path"))
        return replace(state, config=replace(state.config, directory=state.absolute(path)))

    def effect(self, state: StageState) -> MakeDirectory | None:
        path = state.absolute(state.expand(self.path))
        return None if path == "/" else MakeDirectory(path, state.config.user)

    def describe(self, state: StageState) -> str:
        return f"WORKDIR {state.absolute(state.expand(self.path))}"
