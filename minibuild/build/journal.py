"""Tells a display what happens: numbers activities, times them, and makes sure that what started also ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from minibuild.errors import Finding
from minibuild.events import Event, Finished, Outcome, Output, Progress, Started, Stream, Transferred, Warned
from minibuild.values import dataclass, field, replace

_PAUSE_S = 0.1

Numbering: TypeAlias = tuple[int, tuple[Finding, ...]]
"""How far a journal has come: the last number it gave, and what it warned of."""


class Journal:
    """Writes events to one display, from any thread; ``numbering`` is that of a journal which this one goes on from.

    Findings that ``heeds`` doesn't want are not told.
    """

    def __init__(self, progress: Progress, numbering: Numbering = (0, ())) -> None:
        self._progress = progress
        self.heeds: Callable[[Finding], bool] = lambda _finding: True
        self._lock = threading.Lock()
        self._last_number, findings = numbering
        self._warned = list(findings)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was warned of so far."""
        return tuple(self._warned)

    @property
    def numbering(self) -> Numbering:
        """How far it has come."""
        return self._last_number, self.findings

    @contextmanager
    def holding(self) -> Iterator[Callable[[], None]]:
        """Shows nothing before the block is left; what the block gets makes as if nothing had happened in it."""
        shown, numbering, held = self._progress, self.numbering, list[Event]()
        self._progress = held.append

        def forget() -> None:
            held.clear()
            self._last_number, self._warned = numbering[0], list(numbering[1])

        try:
            yield forget
        finally:
            self._progress = shown
            for event in held:
                shown(event)

    def write(self, event: Event) -> None:
        """Shows one event; events never interleave."""
        with self._lock:
            self._progress(event)

    def warn(self, finding: Finding) -> None:
        """Shows a finding, once however often it is made."""
        if finding not in self._warned and self.heeds(finding):
            self._warned.append(finding)
            self.write(Warned(finding))

    @contextmanager
    def activity(self, title: str) -> Iterator[Activity]:
        """Something with a beginning and an end; it failed if an exception leaves the block."""
        with self._lock:
            self._last_number += 1
            activity = Activity(self, self._last_number)
            self._progress(Started(activity.number, title))
        began = time.monotonic()
        try:
            yield activity
        except KeyboardInterrupt:
            activity.outcome = "cancelled"
            raise
        except BaseException:
            activity.outcome = "failed"
            raise
        finally:
            self.write(Finished(activity.number, activity.outcome, time.monotonic() - began))


@dataclass(slots=True)
class Activity:
    """One activity under way; set ``outcome`` to ``cached`` where nothing had to be done."""

    journal: Journal
    number: int
    outcome: Outcome = "done"

    def output(self, line: str, stream: Stream) -> None:
        """Shows a line that a command wrote."""
        self.journal.write(Output(self.number, line, stream))

    def meter(self, item: str, total: int) -> Meter:
        """What counts bytes of an item and shows them now and then."""
        return Meter(self, item, total)

    def progress(self, event: Event) -> None:
        """Shows an event of a room that doesn't know activities, as one of this."""
        self.journal.write(replace(event, activity=self.number) if isinstance(event, Transferred) else event)


@dataclass(slots=True)
class Meter:
    """Counts bytes, and tells so at most ten times a second: what is done sooner is not worth a word."""

    activity: Activity
    item: str
    total: int
    _done: int = 0
    _told: float = field(default_factory=time.monotonic)

    def add(self, size: int) -> None:
        """Counts more bytes."""
        self._done += size
        now = time.monotonic()
        if now - self._told >= _PAUSE_S:
            self._told = now
            self.activity.progress(Transferred(self.activity.number, self.item, self._done, self.total))
