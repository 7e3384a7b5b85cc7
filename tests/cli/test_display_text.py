"""What containers write can't play tricks on a terminal or a log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibuild.cli.display.text import columns, fit, visible

CASES = {
    "plain text stays": ("héllo wörld", "héllo wörld"),
    "a tab stays": ("a\tb", "a\tb"),
    "colours go": ("\x1b[1;31mred\x1b[0m", "red"),
    "cursor moves go": ("a\x1b[2K\x1b[1Ab", "ab"),
    "a title goes": ("\x1b]0;owned\x07text", "text"),
    "a clipboard write goes": ("\x1b]52;c;ZXZpbA==\x1b\\text", "text"),
    "an unended string sequence goes": ("text\x1b]0;never ended", "text"),
    "a device string goes": ("\x1bPq#0\x1b\\text", "text"),
    "C1 forms go": ("\x9b31mtext\x9d0;t\x9c", "text"),
    "a character set switch goes": ("\x1b(0text", "text"),
    "a lone escape is shown": ("a\x1b", "a\\x1b"),
    "a bell is shown": ("a\x07", "a\\x07"),
    "a backspace is shown": ("a\x08b", "a\\x08b"),
    "text turned around is shown": ("a\u202eb", "a\\u202eb"),
    "a progress bar leaves its last state": ("10%\r50%\r100%", "100%"),
    "a carriage return at the end is no erasure": ("done\r", "done"),
    "a byte that isn't UTF-8 is shown": ("a\udcffb", "a\\udcffb"),
}


@pytest.mark.parametrize(("written", "shown"), CASES.values(), ids=CASES)
def test_only_what_is_harmless_is_shown(written: str, shown: str) -> None:
    assert visible(written) == shown


def test_colours_are_kept_when_asked_for_and_end_with_the_line() -> None:
    assert visible("\x1b[31mred\x1b[2Jtext", colour=True) == "\x1b[31mredtext\x1b[0m"


@given(st.text())
def test_nothing_shown_holds_a_control_character_but_the_tab(text: str) -> None:
    shown = visible(text)
    assert all(character == "\t" or (character >= " " and not "\x7f" <= character <= "\x9f") for character in shown)


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("\x1b[31mab\x1b[0m", 2), ("", 0)], ids=repr
)
def test_columns_counts_what_a_terminal_fills(text: str, width: int) -> None:
    assert columns(text) == width


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("abc", 0, "")],
)
def test_fit_never_takes_more_columns_than_there_are(text: str, width: int, fitted: str) -> None:
    assert fit(text, width) == fitted
    assert columns(fitted) <= width
