"""What is known of a build that is done."""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.build.inner import Work
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Made:
    """The work; the keys of what its steps left, by stage and number; what names a context that was fetched: its
    ``gitCommit`` or ``sha256``.
    """

    work: Work
    keys: Mapping[tuple[int, int], str]
    context: Mapping[str, str]
