"""Flags: ``--name=value`` between the keyword and the body, checked against what an instruction takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from minibuild.dockerfile.statements import Flag, Statement
from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError, did_you_mean
from minibuild.instructions.base import start_of
from minibuild.source import Span
from minibuild.values import dataclass

FlagKind: TypeAlias = Literal["word", "claim", "list"]
"""A word needs a value, a claim is true or false, a list may be given many times."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of one statement, checked: all known, none twice but lists, each with a value if it wants one."""

    given: Mapping[str, tuple[Flag, ...]]

    @classmethod
    def of(cls, statement: Statement, known: Mapping[str, FlagKind]) -> Flags:
        """The statement's flags; raises DockerfileError at the first that its instruction can't take."""
        given: dict[str, tuple[Flag, ...]] = {}
        for flag in statement.flags:
            if flag.name not in known:
                raise _unknown(statement, flag, known)
            if flag.name in given and known[flag.name] != "list":
                raise DockerfileError(f"--{flag.name} is given twice", span=flag.span)
            _check_value(flag, known[flag.name])
            given[flag.name] = (*given.get(flag.name, ()), flag)
        return cls(given)

    def word(self, name: str) -> Text | None:
        """The value of a flag; None where it isn't given."""
        flags = self.given.get(name)
        return flags[0].value if flags else None

    def words(self, name: str) -> tuple[Text, ...]:
        """The values of a flag that may be given many times, in their order."""
        return tuple(flag.value for flag in self.given.get(name, ()) if flag.value)

    def claim(self, name: str, *, unsaid: bool = False) -> bool:
        """Whether a flag says true; a bare ``--name`` does."""
        flags = self.given.get(name)
        if not flags:
            return unsaid
        value = flags[0].value
        return value is None or value.value.lower() == "true"

    def refuse(self, name: str, keyword: str, hint: str) -> None:
        """Raises where a flag asks for what minibuild can't do yet; saying false asks for nothing."""
        for flag in self.given.get(name, ()):
            if flag.value is None or flag.value.value.lower() != "false":
                raise DockerfileError(f"{keyword} --{name} is not supported yet", span=_name_span(flag), hint=hint)


def no_flags(statement: Statement) -> None:
    """Raises DockerfileError at the first flag of an instruction that takes none."""
    Flags.of(statement, {})


def _name_span(flag: Flag) -> Span:
    return start_of(flag.span, len(flag.name) + 2)


def _unknown(statement: Statement, flag: Flag, known: Mapping[str, FlagKind]) -> DockerfileError:
    near = did_you_mean(flag.name, list(known))
    hint = near.replace("did you mean ", "did you mean --")
    if not hint:
        takes = ", ".join(f"--{name}" for name in known)
        hint = f"{statement.keyword} takes {takes}" if known else f"{statement.keyword} takes no flags"
    return DockerfileError(f"unknown flag --{flag.name} for {statement.keyword}", span=_name_span(flag), hint=hint)


def _check_value(flag: Flag, kind: FlagKind) -> None:
    if kind == "claim":
        if flag.value is not None and flag.value.value.lower() not in ("true", "false"):
            at = flag.value.span if flag.value else flag.span
            raise DockerfileError(f"--{flag.name} wants true or false, got '{flag.value}'", span=at)
    elif not flag.value:
        raise DockerfileError(
            f"--{flag.name} wants a value", span=flag.span, hint=f"write --{flag.name}=…, without blanks"
        )
