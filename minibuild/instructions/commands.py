"""What a container starts with: CMD, ENTRYPOINT, HEALTHCHECK; and SHELL, which the shell forms of all are given to."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from minibuild.dockerfile.exec_form import exec_form
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError
from minibuild.instructions.base import StageState, WithoutEffect, body_of, excerpt_of
from minibuild.instructions.flags import Flags, no_flags
from minibuild.instructions.notation import format_duration, parse_duration, quoted, quoted_list
from minibuild.oci.config import Healthcheck as HealthcheckConfig
from minibuild.values import dataclass, replace

_MINIMUM_DURATION = 10**6


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command in one of its two forms: exec (the words themselves) or shell (one string, given to SHELL)."""

    words: tuple[str, ...]
    is_exec: bool

    @classmethod
    def of(cls, statement: Statement) -> CommandLine:
        """The command that a statement's body is."""
        if statement.arguments is not None:
            return cls(tuple(word.value for word in statement.arguments), is_exec=True)
        return cls((statement.body.value,), is_exec=False)

    def vector(self, state: StageState) -> tuple[str, ...]:
        """The argument vector, with the shell in front of a shell form."""
        return self.words if self.is_exec else (*state.shell, *self.words)


@dataclass(frozen=True, slots=True)
class Cmd(WithoutEffect):
    """``CMD ["program", "argument"…]`` or ``CMD command``: what a container runs when nothing else is said.

    ``CMD []`` says that it runs nothing but the entry point. Source: Dockerfile reference, CMD.
    """

    keyword: ClassVar[str] = "CMD"
    command: CommandLine

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        body_of(statement, "a command")
        return cls(CommandLine.of(statement))

    def configure(self, state: StageState) -> StageState:
        # BuildKit sets ArgsEscaped on every platform, though it means something on Windows only.
        config = replace(state.config, command=self.command.vector(state), args_escaped=True)
        return replace(state, config=config)

    def describe(self, state: StageState) -> str:
        return f"CMD {quoted_list(self.command.vector(state))}"


@dataclass(frozen=True, slots=True)
class Entrypoint(WithoutEffect):
    """``ENTRYPOINT ["program", "argument"…]`` or ``ENTRYPOINT command``: what a container always runs.

    It forgets a CMD that the base set, since that was meant for another program, and keeps one that this stage set.
    ``ENTRYPOINT []`` takes the base's away. Source: Dockerfile reference, ENTRYPOINT.
    """

    keyword: ClassVar[str] = "ENTRYPOINT"
    command: CommandLine

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        body_of(statement, "a command")
        return cls(CommandLine.of(statement))

    def configure(self, state: StageState) -> StageState:
        command = state.config.command if "CMD" in state.own_keywords else None
        config = replace(state.config, entrypoint=self.command.vector(state) or None, command=command)
        return replace(state, config=config)

    def describe(self, state: StageState) -> str:
        return f"ENTRYPOINT {quoted_list(self.command.vector(state))}"


@dataclass(frozen=True, slots=True)
class Shell(WithoutEffect):
    """``SHELL ["program", "argument"…]``: what the shell forms of RUN, CMD and ENTRYPOINT below are given to.

    The exec form only. Source: Dockerfile reference, SHELL.
    """

    keyword: ClassVar[str] = "SHELL"
    words: tuple[str, ...]

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        no_flags(statement)
        body = body_of(statement, 'the exec form, such as ["/bin/bash", "-c"]')
        if not statement.arguments:
            raise DockerfileError(
                f"SHELL wants a JSON array of strings, got {excerpt_of(body.value)}",
                span=body.span,
                hint='write it as ["/bin/bash", "-c"], in double quotes',
            )
        return cls(tuple(word.value for word in statement.arguments))

    def configure(self, state: StageState) -> StageState:
        return replace(state, config=replace(state.config, shell=self.words))

    def describe(self, _state: StageState) -> str:
        return f"SHELL [{' '.join(self.words)}]"


@dataclass(frozen=True, slots=True)
class Healthcheck(WithoutEffect):
    """``HEALTHCHECK [--interval=D] … CMD command`` or ``HEALTHCHECK NONE``: how to ask a container if it is well.

    Durations are Go's ("1m30s"), kept in nanoseconds as the configuration stores them; zero means "inherit".
    Source: Dockerfile reference, HEALTHCHECK.
    """

    keyword: ClassVar[str] = "HEALTHCHECK"
    check: HealthcheckConfig

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        body = body_of(statement, "CMD and a command, or NONE")
        kind = body.slice(0, len(body.value.split(None, 1)[0]))
        rest = body.slice(len(kind.value), len(body.value)).strip()
        if kind.value.upper() == "NONE":
            if statement.flags:
                raise DockerfileError("HEALTHCHECK NONE takes no flags", span=statement.flags[0].span)
            if rest:
                raise DockerfileError(f"HEALTHCHECK NONE takes nothing more, got '{rest}'", span=rest.span)
            return cls(HealthcheckConfig(("NONE",)))
        if kind.value.upper() != "CMD":
            raise DockerfileError(
                f"HEALTHCHECK wants CMD or NONE, got '{kind}'", span=kind.span, hint=f"write HEALTHCHECK CMD {body}"
            )
        return cls(_check(statement, _test(kind, rest)))

    def configure(self, state: StageState) -> StageState:
        return replace(state, config=replace(state.config, healthcheck=self.check))

    def describe(self, _state: StageState) -> str:
        check = self.check
        durations = (check.interval, check.timeout, check.start_period, check.start_interval)
        fields = [quoted_list(check.test), *(quoted(format_duration(duration)) for duration in durations)]
        # Go's %q of a number is the character of that code.
        return f"HEALTHCHECK &{{{' '.join([*fields, quoted(chr(check.retries), chr(39))])}}}"


def _test(kind: Text, rest: Text) -> tuple[str, ...]:
    words = exec_form(rest)
    if not rest or words == ():
        raise DockerfileError("HEALTHCHECK CMD wants a command", span=kind.span)
    return ("CMD-SHELL", rest.value) if words is None else ("CMD", *(word.value for word in words))


def _check(statement: Statement, test: tuple[str, ...]) -> HealthcheckConfig:
    names = ("interval", "timeout", "start-period", "start-interval", "retries")
    flags = Flags.of(statement, dict.fromkeys(names, "word"))
    interval, timeout, start_period, start_interval = (_duration(name, flags.word(name)) for name in names[:4])
    return HealthcheckConfig(test, interval, timeout, start_period, start_interval, _retries(flags.word("retries")))


def _duration(name: str, text: Text | None) -> int:
    if text is None:
        return 0
    duration = parse_duration(text.value)
    if duration is None:
        raise DockerfileError(
            f"--{name} wants a duration, got '{text}'",
            span=text.span,
            hint="write numbers with units: 30s, 1m30s, 500ms",
        )
    if duration != 0 and duration < _MINIMUM_DURATION:
        raise DockerfileError(f"--{name} wants at least 1ms, or 0 to inherit, got '{text}'", span=text.span)
    return duration


def _retries(text: Text | None) -> int:
    if text is None:
        return 0
    digits = text.value.removeprefix("+")
    if not re.fullmatch(r"0*[0-9]{1,10}", digits) or int(digits[-10:]) >= 2**31:
        raise DockerfileError(f"--retries wants a number from 0 on, got '{text}'", span=text.span)
    return int(digits)
