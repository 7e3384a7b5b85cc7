"""BUILDKIT_COLORS, as BuildKit reads it."""

from __future__ import annotations

import pytest

from minibuild.cli.display.colours import USUAL, styles
from minibuild.cli.display.tty import TerminalDisplay
from tests.cli.streams import Terminal


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        ("", {}),
        ("run=green", {"cached": "\x1b[32m", "running": "\x1b[32m"}),
        ("CANCEL=Light-Red:error=255,0,10", {"cancelled": "\x1b[91m", "failed": "\x1b[38;2;255;0;10m"}),
        ("warning=white:", {"warning": "\x1b[37m"}),
    ],
)
def test_colours_are_those_that_are_named(words: str, changed: dict[str, str]) -> None:
    assert styles({"BUILDKIT_COLORS": words}) == ({**USUAL, **changed}, ())


@pytest.mark.parametrize("word", ["run", "run=orange", "walk=red", "run=1,2", "run=1,2,256", "run=blue;cancel=red"])
def test_what_is_no_colour_is_told_and_changes_nothing(word: str) -> None:
    found, [complaint] = styles({"BUILDKIT_COLORS": word})
    assert (found, repr(word) in complaint) == (USUAL, True)


def test_a_terminal_is_told_before_anything_is_drawn() -> None:
    stream = Terminal()
    TerminalDisplay(stream, {"BUILDKIT_COLORS": "run=orange", "TERM": "xterm"}, window=lambda: (80, 24)).close()
    wanted = "note: BUILDKIT_COLORS has 'run=orange', wanted run, cancel, error or warning=COLOUR"
    assert stream.getvalue().splitlines()[0] == wanted
