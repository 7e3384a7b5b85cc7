"""What tests of instructions begin with: one instruction out of a line, and a stage's state."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from minibuild.dockerfile import parse
from minibuild.errors import DockerfileError, Finding
from minibuild.instructions import Instruction
from minibuild.instructions import parse as parse_instruction
from minibuild.instructions.base import StageState
from minibuild.oci import ContainerConfig
from minibuild.source import Source


def read(text: str) -> Instruction:
    """The instruction that a text says."""
    (statement,) = parse(Source("Dockerfile", text)).statements
    return parse_instruction(statement)


def state(config: ContainerConfig | None = None, /, **variables: str) -> StageState:
    """A stage's state with these variables in scope; the configuration is empty unless given."""
    return StageState(config or ContainerConfig(), variables=MappingProxyType(variables))


def after(text: str, before: StageState | None = None) -> StageState:
    """The state after an instruction."""
    return read(text).configure(before or state())


def config(text: str, before: StageState | None = None) -> ContainerConfig:
    """The configuration after an instruction."""
    return after(text, before).config


def history(text: str, before: StageState | None = None) -> str:
    """The line that an instruction leaves in the history."""
    return read(text).describe(before or state())


def findings(text: str, before: StageState | None = None) -> list[Finding]:
    """What an instruction reports."""
    found: list[Finding] = []
    instruction, heard = read(text), replace(before or state(), report=found.append)
    instruction.effect(heard)
    instruction.configure(heard)
    return found


def error(text: str, before: StageState | None = None) -> DockerfileError:
    """What an instruction says that it can't do."""
    try:
        instruction = read(text)
        instruction.effect(before or state())
        instruction.configure(before or state())
    except DockerfileError as caught:
        return caught
    raise AssertionError(f"{text} is taken as {instruction}")
