"""Which display is chosen, and the two that need no test of their own."""

from __future__ import annotations

import io
import json

import pytest

from minibuild.cli.display import choose
from minibuild.cli.display.plain import PlainDisplay
from minibuild.cli.display.quiet import QuietDisplay
from minibuild.cli.display.rawjson import JsonDisplay
from minibuild.cli.display.tty import TerminalDisplay
from minibuild.errors import Finding, UsageError
from minibuild.events import Finished, Output, Started, Transferred, Warned
from minibuild.source import Source
from tests.cli.streams import Clock, Terminal


@pytest.mark.parametrize(
    ("name", "terminal", "environment", "chosen"),
    [
        ("auto", True, {}, TerminalDisplay),
        ("auto", True, {"TERM": "dumb"}, PlainDisplay),
        ("auto", False, {}, PlainDisplay),
        ("", False, {}, PlainDisplay),
        ("plain", True, {}, PlainDisplay),
        ("tty", True, {}, TerminalDisplay),
        ("quiet", True, {}, QuietDisplay),
        ("none", False, {}, QuietDisplay),
        ("rawjson", True, {}, JsonDisplay),
    ],
)
def test_a_name_and_a_stream_decide(name: str, terminal: bool, environment: dict[str, str], chosen: type) -> None:
    assert type(choose(name, Terminal() if terminal else io.StringIO(), environment)) is chosen


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("plian", "--progress knows no 'plian'", "did you mean plain?"),
        ("zzz", "--progress knows no 'zzz'", "choose from auto, plain, quiet, rawjson, tty"),
        ("tty", "--progress=tty wants a terminal, standard error is none", "use --progress=plain"),
    ],
)
def test_a_display_that_cannot_be_is_refused(name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        choose(name, io.StringIO(), {})
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_rawjson_writes_each_event_as_one_object() -> None:
    stream = io.StringIO()
    display = JsonDisplay(stream, {}, clock=Clock())
    span = Source("Dockerfile", "FROM a\nRUN $x\n").span(11, 13)
    for event in (
        Started(1, "RUN make"),
        Output(1, "a\x1b[0m", "stderr"),
        Transferred(1, "layer", 5, None),
        Finished(1, "done", 1.23456),
        Warned(Finding("UndefinedVar", "$x is not defined", span)),
    ):
        display(event)
    display.close()
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "started", "activity": 1, "title": "RUN make", "time": 100.0},
        {"event": "output", "activity": 1, "stream": "stderr", "line": "a\x1b[0m", "time": 100.0},
        {"event": "transferred", "activity": 1, "item": "layer", "done": 5, "total": None, "time": 100.0},
        {"event": "finished", "activity": 1, "outcome": "done", "seconds": 1.235, "time": 100.0},
        {
            "event": "warned",
            "rule": "UndefinedVar",
            "message": "$x is not defined",
            "hint": "",
            "file": "Dockerfile",
            "line": 2,
            "column": 5,
            "time": 100.0,
        },
    ]


def test_quiet_writes_nothing() -> None:
    stream = io.StringIO()
    display = choose("quiet", stream, {})
    display(Started(1, "RUN make"))
    display.close()
    assert stream.getvalue() == ""
