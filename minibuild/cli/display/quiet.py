"""Nothing to see: ``-q`` and ``--progress=quiet``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from minibuild.events import Event


class QuietDisplay:
    """Shows nothing; errors are told by who asked for the build."""

    def __init__(self, stream: TextIO, environment: Mapping[str, str]) -> None:
        pass

    def __call__(self, event: Event) -> None:
        pass

    def close(self) -> None:
        """Nothing to leave."""
