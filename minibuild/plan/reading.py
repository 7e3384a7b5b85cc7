"""Reading a Dockerfile: its text and what its instructions say, wrong in either way and told at once."""

from __future__ import annotations

from minibuild import instructions
from minibuild.dockerfile import parse
from minibuild.dockerfile.statements import Dockerfile
from minibuild.source import Source


def read(source: Source) -> Dockerfile:
    """The statements of a Dockerfile.

    Raises DockerfileError with everything that is wrong with the text and with single instructions, in the order of
    the file.
    """
    return parse(source, instructions.parse)
