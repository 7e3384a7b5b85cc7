"""``--progress=rawjson``: each event as one JSON object on a line of its own.

Every object has ``event`` (started, output, transferred, finished, warned) and ``time`` (seconds since the epoch), and
the event's own fields.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO, assert_never

from minibuild.cli.display.page import Page
from minibuild.events import Event, Finished, Output, Started, Transferred, Warned


class JsonDisplay:
    """Writes events down as they are, for programs."""

    def __init__(
        self, stream: TextIO, _environment: Mapping[str, str], *, clock: Callable[[], float] = time.time
    ) -> None:
        self._page, self._clock, self._lock = Page(stream), clock, threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._lock:
            document = {**_fields(event), "time": round(self._clock(), 3)}
            self._page.write(json.dumps(document) + "\n")

    def close(self) -> None:
        """Every line is out already."""


def _fields(event: Event) -> dict[str, Any]:
    match event:
        case Started(activity, title):
            return {"event": "started", "activity": activity, "title": title}
        case Output(activity, line, stream):
            return {"event": "output", "activity": activity, "stream": stream, "line": line}
        case Transferred(activity, item, done, total):
            return {"event": "transferred", "activity": activity, "item": item, "done": done, "total": total}
        case Finished(activity, outcome, seconds):
            return {"event": "finished", "activity": activity, "outcome": outcome, "seconds": round(seconds, 3)}
        case Warned(finding):
            span = finding.span
            place = {"file": span.source.name, "line": span.line, "column": span.column} if span else {}
            return {"event": "warned", "rule": finding.rule, "message": finding.message, "hint": finding.hint, **place}
        case _:
            assert_never(event)
