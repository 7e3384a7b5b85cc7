"""What makes and steers a stage: FROM, ARG, ONBUILD."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Self

from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import comment_hint, split_declarations, split_words
from minibuild.errors import DockerfileError
from minibuild.instructions.base import StageState, WithoutEffect, body_of
from minibuild.instructions.flags import Flags, no_flags
from minibuild.source import Span
from minibuild.values import dataclass, replace

if TYPE_CHECKING:
    from minibuild.instructions.base import Instruction

_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class From(WithoutEffect):
    """``FROM [--platform=P] image|stage|scratch [AS name]``: begins a stage.

    Only ARGs above the first FROM and the platform's are replaced in it. The plan sets the state that it begins with.
    Source: Dockerfile reference, FROM.
    """

    keyword: ClassVar[str] = "FROM"
    image: Text
    name: Text | None = None
    platform: Text | None = None

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        flags = Flags.of(statement, {"platform": "word"})
        words = split_words(body_of(statement, "an image"))
        if len(words) not in (1, 3) or (len(words) == 3 and words[1].value.upper() != "AS"):
            raise _malformed(statement.body, words)
        name = words[2] if len(words) == 3 else None
        if name is not None and not _STAGE_NAME.fullmatch(name.value.lower()):
            raise DockerfileError(
                f"a stage can't be named '{name}'",
                span=name.span,
                hint="start with a letter, go on with letters, digits, '_', '.' and '-'",
            )
        return cls(words[0], name, flags.word("platform"))

    @property
    def stage_name(self) -> str:
        """The name of the stage in lower case; "" for none."""
        return self.name.value.lower() if self.name else ""

    def configure(self, state: StageState) -> StageState:
        return state

    def describe(self, _state: StageState) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Arg(WithoutEffect):
    """``ARG name[=default] …``: a variable of the build, from this line to the end of the stage.

    ``--build-arg`` wins over the default, which is then not even looked at; without either, a stage takes the value of
    the ARG above the first FROM. It hides an ENV of that name in RUN and in expansion, and never enters the
    configuration. Source: Dockerfile reference, ARG.
    """

    keyword: ClassVar[str] = "ARG"
    declarations: tuple[tuple[Text, Text | None], ...]

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        return cls(split_declarations(body_of(statement, "a name"), statement.escape))

    def configure(self, state: StageState) -> StageState:
        return self._declared(state)[0]

    def describe(self, state: StageState) -> str:
        words = (name if value is None else f"{name}={value}" for name, value in self._declared(state)[1])
        return " ".join(["ARG", *words])

    def _declared(self, state: StageState) -> tuple[StageState, tuple[tuple[str, str | None], ...]]:
        declared = []
        for name_text, default in self.declarations:
            name = state.expand(name_text)
            if not name:
                at = name_text.span
                span = Span(at.source, at.start, max(at.end, at.start + 1))  # of no name at all, its "="
                raise DockerfileError("ARG wants a name before '='", span=span)
            value = _value(state, name, default)
            if value is not None:
                state = replace(state, variables=_with(state.variables, name, value))
            state = replace(state, arguments=(*state.arguments, name))
            declared.append((name, value))
        return state, tuple(declared)


@dataclass(frozen=True, slots=True)
class Onbuild(WithoutEffect):
    """``ONBUILD instruction``: kept in the image as text, carried out right after the FROM of images built on it.

    Not FROM, ONBUILD or MAINTAINER, as the parser sees to. Source: Dockerfile reference, ONBUILD.
    """

    keyword: ClassVar[str] = "ONBUILD"
    trigger: Instruction
    text: str

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        from minibuild.instructions import parse  # the table is of those who stand in it

        no_flags(statement)
        body_of(statement, "an instruction")
        trigger = statement.trigger
        assert trigger is not None, "a statement of ONBUILD with a body has its trigger"
        return cls(parse(trigger), trigger_text(trigger))

    def configure(self, state: StageState) -> StageState:
        return replace(state, config=replace(state.config, on_build=(*state.config.on_build, self.text)))

    def describe(self, _state: StageState) -> str:
        return ""


def _malformed(body: Text, words: tuple[Text, ...]) -> DockerfileError:
    image, second, *more = words
    is_as = second.value.upper() == "AS"
    at, hint = second, f"write FROM {image} AS {second}"
    if image.value.count("{") > image.value.count("}"):
        hint = "a blank ends the word, in braces too"
    elif comment := comment_hint(words):
        hint = comment
    elif is_as:
        at, hint = (more[1], "a stage has one name") if more else (second, f"write FROM {image} {second} name")
    elif more:
        hint = f"write FROM {image} AS name"
    return DockerfileError(f"FROM wants an image, or an image AS name, got '{body}'", span=at.span, hint=hint)


def trigger_text(trigger: Statement) -> str:
    """A trigger as the configuration keeps it: its logical line, its here-documents below."""
    return trigger.original.strip() + "".join(f"\n{doc.content}{doc.name}" for doc in trigger.heredocs)


def _value(state: StageState, name: str, default: Text | None) -> str | None:
    if name in state.build_arguments:
        return state.build_arguments[name]
    if default is not None:
        return state.expand(default)
    return state.global_arguments.get(name)


def _with(variables: Mapping[str, str], name: str, value: str) -> Mapping[str, str]:
    return MappingProxyType({**variables, name: value})
