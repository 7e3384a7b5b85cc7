"""``--progress=plain``: one line after the other, as BuildKit writes them; for CI logs and pipes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TextIO, assert_never

from minibuild.cli.display.page import Page
from minibuild.cli.display.text import visible
from minibuild.cli.rendering import paint, render_finding, wants_colour
from minibuild.cli.units import human_size
from minibuild.events import Event, Finished, Output, Started, Transferred, Warned
from minibuild.values import dataclass, field

_BETWEEN_AMOUNTS_S = 5.0


@dataclass(slots=True)
class _Activity:
    began: float
    told: dict[str, float] = field(default_factory=dict)


class PlainDisplay:
    """``#N title``, ``#N 0.123 a line of output``, ``#N CACHED``, ``#N DONE 1.2s``; a blank line where N changes."""

    def __init__(
        self, stream: TextIO, environment: Mapping[str, str], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._page, self._clock, self._lock = Page(stream), clock, threading.Lock()
        self._colour = wants_colour(stream, environment)
        self._activities: dict[int, _Activity] = {}
        self._last: int | None = None

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._show(event, self._clock())

    def close(self) -> None:
        """Every line is out already."""

    def _show(self, event: Event, now: float) -> None:
        match event:
            case Started(activity, title):
                self._activities[activity] = _Activity(now)
                self._line(activity, visible(title.replace("\n", " ")))
            case Output(activity, line, _):
                self._line(activity, f"{now - self._began(activity, now):.3f} {visible(line, colour=self._colour)}")
            case Transferred():
                self._amount(event, now)
            case Finished(activity, outcome, seconds):
                words = {"done": "DONE {:.1f}s", "cached": "CACHED", "failed": "FAILED {:.1f}s"}
                self._line(activity, words.get(outcome, "CANCELED {:.1f}s").format(seconds))
                self._activities.pop(activity, None)
            case Warned(finding):
                self._page.write(("\n" if self._last is not None else "") + self._painted(render_finding(finding)))
                self._last = 0
            case _:
                assert_never(event)

    def _amount(self, event: Transferred, now: float) -> None:
        activity = self._activities.setdefault(event.activity, _Activity(now))
        if event.done != event.total and now - activity.told.get(event.item, activity.began) < _BETWEEN_AMOUNTS_S:
            return
        activity.told[event.item] = now
        of_total = "" if event.total is None else f" / {human_size(event.total, 4)}"
        amount = f"{human_size(event.done, 4)}{of_total}"
        self._line(event.activity, f"{visible(event.item)} {amount} {now - activity.began:.1f}s")

    def _began(self, activity: int, now: float) -> float:
        return self._activities.setdefault(activity, _Activity(now)).began

    def _painted(self, text: str) -> str:
        return paint("\n".join(visible(line) for line in text.split("\n")), colour=self._colour) + "\n"

    def _line(self, activity: int, text: str) -> None:
        gap = "\n" if self._last not in (None, activity) else ""
        self._last = activity
        self._page.write(f"{gap}#{activity} {text}".rstrip() + "\n")
