"""One thing that another builder doesn't do as minibuild does."""

from __future__ import annotations

from typing import Literal, TypeAlias

from minibuild.values import dataclass

Verdict: TypeAlias = Literal["dropped", "refused", "different"]
"""``dropped``: built as if it weren't there; ``refused``: not built; ``different``: built to something else."""


@dataclass(frozen=True, slots=True)
class Row:
    """A feature by its name in ``features``, what becomes of it, and what that means for who builds there.

    ``remedy`` is what both builders understand alike, "" where nothing is. ``version``: a Dockerfile frontend from
    this one on knows the feature, "" where that doesn't matter.
    """

    feature: str
    verdict: Verdict
    explanation: str
    remedy: str = ""
    version: str = ""
