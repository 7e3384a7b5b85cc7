"""What happens during a build, as values: one stream, several displays (terminal, plain lines, JSON, quiet).

An *activity* is whatever has a beginning and an end that a person wants to see: a step, a pull, an export. It is
known by its number, counted from 1 in the order of starting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from minibuild.errors import Finding
from minibuild.values import dataclass

Stream: TypeAlias = Literal["stdout", "stderr"]
Outcome: TypeAlias = Literal["done", "cached", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Started:
    """An activity began; the title is what a person reads, such as ``[build 2/5] RUN make``."""

    activity: int
    title: str


@dataclass(frozen=True, slots=True)
class Output:
    """A line that a RUN wrote, without its end; bytes that aren't UTF-8 come as U+FFFD."""

    activity: int
    line: str
    stream: Stream


@dataclass(frozen=True, slots=True)
class Transferred:
    """Bytes moved so far for one item of an activity (a layer, the context, an archive); ``total`` None: not
    known.
    """

    activity: int
    item: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Finished:
    """An activity ended, ``seconds`` after it began."""

    activity: int
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that a person should hear of, though the build goes on."""

    finding: Finding


Event: TypeAlias = Started | Output | Transferred | Finished | Warned
Progress: TypeAlias = Callable[[Event], None]


def silent(_event: Event) -> None:
    """The display of those who don't look."""
