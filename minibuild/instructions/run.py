"""RUN: a command in the tree."""

from __future__ import annotations

from typing import ClassVar, Self

from minibuild.dockerfile.statements import HereDocument, Statement
from minibuild.errors import DockerfileError, did_you_mean
from minibuild.instructions.base import StageState, body_of, place_of
from minibuild.instructions.commands import CommandLine
from minibuild.instructions.effects import InlineFile, RunCommand
from minibuild.instructions.flags import FlagKind, Flags
from minibuild.instructions.heredocs import file_name
from minibuild.instructions.mounts import MountFlag
from minibuild.values import dataclass

_FLAGS: dict[str, FlagKind] = {"mount": "list", "network": "word", "security": "word", "device": "list"}
_NETWORKS = ("default", "none", "host")
_SECURITIES = ("sandbox", "insecure")
# Where BuildKit binds the script of a here-document that starts with "#!".
_SCRIPTS = "/dev/pipes"


@dataclass(frozen=True, slots=True)
class Run:
    """``RUN [--mount=M]… [--network=N] [--security=S] command``, ``RUN ["program", "argument"…]`` or ``RUN <<NAME``:
    run a command in the tree.

    A lone here-document is the shell's whole argument (no ``set -e``: only its last status counts), unless it starts
    with ``#!``: then it is a file that is run. Beside other words, here-documents are the shell's own business.
    Nothing is expanded but the values of mounts. Source: Dockerfile reference, RUN and Here-Documents.
    """

    keyword: ClassVar[str] = "RUN"
    command: CommandLine
    files: tuple[InlineFile, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    mounts: tuple[MountFlag, ...] = ()

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        flags = Flags.of(statement, _FLAGS)
        mounts = tuple(map(MountFlag.parse, flags.words("mount")))
        network = _choice(flags, "network", _NETWORKS)
        security = _choice(flags, "security", _SECURITIES)
        flags.refuse("device", "RUN", "leave the flag out, and use the device when the container runs")
        body_of(statement, "a command")
        if statement.arguments == ():
            raise DockerfileError("RUN wants a command, got an empty list", span=statement.body.span)
        if statement.arguments and not statement.arguments[0]:
            raise DockerfileError("RUN wants a program, got an empty word", span=place_of(statement.arguments[0]))
        return cls(*_command(statement), network or "default", security or "sandbox", mounts)

    def configure(self, state: StageState) -> StageState:
        return state

    def effect(self, state: StageState) -> RunCommand:
        return RunCommand(
            arguments=self.command.vector(state),
            environment=tuple(state.variables.items()),
            directory=state.directory,
            user=state.config.user,
            files=self.files,
            network=self.network,
            security=self.security,
            mounts=tuple(flag.mount(state) for flag in self.mounts),
            proxies=tuple((name, value) for name, value in state.proxies if name not in state.variables),
        )

    def describe(self, state: StageState) -> str:
        arguments = [f"{name}={state.variables.get(name, '')}" for name in dict.fromkeys(state.arguments)]
        counted = [f"|{len(arguments)}", *arguments] if arguments else []
        return " ".join(["RUN", *counted, *self.command.vector(state), "# buildkit"])


def _command(statement: Statement) -> tuple[CommandLine, tuple[InlineFile, ...]]:
    documents = statement.heredocs
    if not documents:
        return CommandLine.of(statement), ()
    lone = documents[0] if len(documents) == 1 and statement.body == documents[0].marker else None
    if lone is None:
        return CommandLine((_reassembled(statement.body.value, documents),), is_exec=False), ()
    if not lone.content.startswith("#!"):
        return CommandLine((lone.content,), is_exec=False), ()
    script = InlineFile(f"{_SCRIPTS}/{file_name(lone)}", lone.content.encode("utf-8", "surrogateescape"), 0o755)
    return CommandLine((script.path,), is_exec=False), (script,)


def _reassembled(body: str, documents: tuple[HereDocument, ...]) -> str:
    return body + "".join(f"\n{document.content}{document.name}" for document in documents)


def _choice(flags: Flags, name: str, choices: tuple[str, ...]) -> str | None:
    text = flags.word(name)
    if text is not None and text.value not in choices:
        raise DockerfileError(
            f"--{name} wants {', '.join(choices[:-1])} or {choices[-1]}, got '{text}'",
            span=text.span,
            hint="it takes no variables" if "$" in text.value else did_you_mean(text.value, choices),
        )
    return text.value if text else None
