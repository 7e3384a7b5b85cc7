"""What each instruction of a Dockerfile says and means: parse, configure, effect, describe. Pure.

A new instruction is a class that follows ``base.Instruction``, in the file of its noun, and a line in the table below.
May import ``dockerfile``, ``oci``, ``source`` and ``errors`` only.
"""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.dockerfile.statements import Statement
from minibuild.errors import DockerfileError, did_you_mean
from minibuild.instructions.base import Instruction, StageState
from minibuild.instructions.commands import Cmd, Entrypoint, Healthcheck, Shell
from minibuild.instructions.copy import Add, Copy
from minibuild.instructions.environment import Env, User, Workdir
from minibuild.instructions.metadata import Expose, Label, Maintainer, Stopsignal, Volume
from minibuild.instructions.run import Run
from minibuild.instructions.stage import Arg, From, Onbuild

__all__ = ["INSTRUCTIONS", "Arg", "From", "Instruction", "Onbuild", "StageState", "parse"]

# In alphabetical order.
INSTRUCTIONS: Mapping[str, type[Instruction]] = {
    "ADD": Add,
    "ARG": Arg,
    "CMD": Cmd,
    "COPY": Copy,
    "ENTRYPOINT": Entrypoint,
    "ENV": Env,
    "EXPOSE": Expose,
    "FROM": From,
    "HEALTHCHECK": Healthcheck,
    "LABEL": Label,
    "MAINTAINER": Maintainer,
    "ONBUILD": Onbuild,
    "RUN": Run,
    "SHELL": Shell,
    "STOPSIGNAL": Stopsignal,
    "USER": User,
    "VOLUME": Volume,
    "WORKDIR": Workdir,
}


def parse(statement: Statement) -> Instruction:
    """The instruction that a statement is; raises DockerfileError with the place of the word at fault."""
    instruction = INSTRUCTIONS.get(statement.keyword)
    if instruction is None:
        raise DockerfileError(
            f"unknown instruction {statement.keyword}",
            span=statement.keyword_span,
            hint=did_you_mean(statement.keyword, list(INSTRUCTIONS)),
        )
    return instruction.parse(statement)
