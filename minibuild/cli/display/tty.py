"""``--progress=tty``: finished steps scroll away above; running ones live below, drawn at most ten times a second.

Live rows are cut to the window's width, so that each takes one row and can be taken back by moving the cursor up.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import TextIO, assert_never

from minibuild.cli.display.bars import bars
from minibuild.cli.display.colours import styles
from minibuild.cli.display.page import Page
from minibuild.cli.display.text import columns, fit, visible
from minibuild.cli.rendering import paint, render_finding, wants_colour
from minibuild.events import Event, Finished, Output, Started, Transferred, Warned
from minibuild.values import dataclass, field

_INTERVAL_S = 0.1
_TAIL = 6
_HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ERASE_BELOW = "\x1b[J"


@dataclass(slots=True)
class _Activity:
    title: str
    began: float
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))
    amounts: dict[str, Transferred] = field(default_factory=dict)


class TerminalDisplay:
    """Shows each running activity with its seconds, its last lines of output and its byte bars."""

    def __init__(
        self,
        stream: TextIO,
        environment: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.monotonic,
        window: Callable[[], tuple[int, int]] | None = None,
        tick_s: float = _INTERVAL_S,
    ) -> None:
        self._page, self._clock, self._tick_s = Page(stream), clock, tick_s
        self._window = window or (lambda: _window(stream))
        self._colour = wants_colour(stream, environment)
        self._styles, complaints = styles(environment)
        self._lock, self._closed = threading.Lock(), threading.Event()
        self._ticker: threading.Thread | None = None
        self._running: dict[int, _Activity] = {}
        self._finished: list[str] = []
        self._drawn: list[str] = []
        self._drawn_at = float("-inf")
        if complaints and self._colour:
            self._page.write("".join(f"note: {visible(complaint)}\n" for complaint in complaints))

    def __call__(self, event: Event) -> None:
        with self._lock:
            if self._closed.is_set():
                return
            self._take(event)
            if self._ticker is None:
                self._ticker = threading.Thread(target=self._tick, name="display", daemon=True)
                self._ticker.start()
                self._page.write(_HIDE_CURSOR)
            if self._clock() - self._drawn_at >= _INTERVAL_S:
                self._draw(self._live())

    def close(self) -> None:
        """Leaves what was finished on the screen, takes the live rows away, and gives the cursor back."""
        with self._lock:
            if self._closed.is_set():
                return
            self._closed.set()
            if self._ticker is not None:
                self._draw([])
                self._page.write(SHOW_CURSOR)
        if self._ticker is not None:
            self._ticker.join()

    def _tick(self) -> None:
        while not self._closed.wait(self._tick_s):
            with self._lock:
                if not self._closed.is_set() and (self._running or self._finished):
                    self._draw(self._live())

    def _take(self, event: Event) -> None:
        match event:
            case Started(activity, title):
                self._running[activity] = _Activity(visible(title.replace("\n", " ")), self._clock())
            case Output(activity, line, _):
                if activity in self._running:
                    self._running[activity].tail.append(visible(line))
            case Transferred(activity, item, _, _):
                if activity in self._running:
                    self._running[activity].amounts[item] = event
            case Finished(activity, outcome, seconds):
                done = self._running.pop(activity, None)
                if done is not None:
                    self._finished.append(self._finished_row(done.title, outcome, seconds))
            case Warned(finding):
                text = "\n".join(visible(line) for line in render_finding(finding).split("\n"))
                self._finished.append(paint(text, colour=self._colour, warning=self._styles["warning"]))
            case _:
                assert_never(event)

    def _finished_row(self, title: str, outcome: str, seconds: float) -> str:
        word = {"done": "", "cached": "CACHED ", "failed": "FAILED ", "cancelled": "CANCELED "}[outcome]
        return self._styled(outcome, self._row(f" => {word}{title}", f"{seconds:.1f}s"))

    def _live(self) -> list[str]:
        width, height = self._window()
        now = self._clock()
        blocks = []
        for activity in self._running.values():
            title = self._styled("running", self._row(f" => {activity.title}", f"{now - activity.began:.1f}s"))
            details = [f" => => # {fit(line, width - 10)}" for line in activity.tail]
            moved = bars(tuple(activity.amounts.values()), now - activity.began, width - 8)
            blocks.append(
                (title, [self._styled("dim", row) for row in (*details, *(f" => => {bar}" for bar in moved))])
            )
        room = max(1, height - 1 - len(blocks))
        rows: list[str] = []
        for title, details in blocks[: max(1, height - 2)]:
            shown = details[len(details) - min(len(details), room) :]
            room -= len(shown)
            rows += [title, *shown]
        return rows

    def _row(self, text: str, right: str) -> str:
        width = self._window()[0] - 1
        text = fit(text, width - len(right) - 1)
        return text + " " * (width - columns(text) - len(right)) + right

    def _styled(self, style: str, text: str) -> str:
        return f"{self._styles[style]}{text}\x1b[0m" if self._colour and style in self._styles else text

    def _draw(self, live: list[str]) -> None:
        above, self._finished = self._finished, []
        width = max(1, self._window()[0])
        # A window made narrower wraps what was drawn: count the rows it takes now.
        rows = sum(max(1, -(-columns(row) // width)) for row in self._drawn)
        back = f"\r\x1b[{rows}A{_ERASE_BELOW}" if rows else ""
        text = "".join(f"{row}\n" for row in (*above, *live))
        if back or text:
            self._page.write(back + text)
        self._drawn, self._drawn_at = live, self._clock()


def _window(stream: TextIO) -> tuple[int, int]:
    try:
        width, height = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    return (width or 80), (height or 24)
