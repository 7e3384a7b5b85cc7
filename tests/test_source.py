"""Sources know their lines, and spans show where they stand."""

from __future__ import annotations

import pytest

from minibuild.source import EXCERPT_WIDTH, Source

SOURCE = Source("Dockerfile", "FROM a\r\nRUN\tb c\n\nd")


@pytest.mark.parametrize(
    ("offset", "position"),
    [(0, (1, 1)), (5, (1, 6)), (7, (1, 8)), (8, (2, 1)), (16, (3, 1)), (17, (4, 1)), (18, (4, 2))],
)
def test_positions_count_lines_and_columns_from_one(offset: int, position: tuple[int, int]) -> None:
    assert SOURCE.position(offset) == position


def test_lines_come_without_their_ends() -> None:
    assert [SOURCE.line(number) for number in (1, 2, 3, 4)] == ["FROM a", "RUN\tb c", "", "d"]


def test_a_span_is_written_as_compilers_write_places() -> None:
    assert str(SOURCE.span(12, 13)) == "Dockerfile:2:5"
    assert SOURCE.span(12, 18).last_line == 4


@pytest.mark.parametrize(
    ("start", "end", "excerpt"),
    [
        (12, 13, "2 | RUN b c\n  |     ^"),
        (12, 18, "2 | RUN b c\n  |     ^^^"),
        (15, 15, "2 | RUN b c\n  |        ^"),
        (16, 16, "3 | \n  | ^"),
    ],
)
def test_carets_stay_in_the_first_line_of_a_span(start: int, end: int, excerpt: str) -> None:
    assert SOURCE.span(start, end).excerpt() == excerpt


def test_what_cannot_be_printed_reaches_no_terminal() -> None:
    source = Source("Dockerfile", "a\x1b[31m\udcff b")
    assert source.span(7, 8).excerpt() == "1 | a\ufffd[31m\ufffd b\n  |        ^"


def test_a_long_line_is_shown_around_the_carets() -> None:
    source = Source("Dockerfile", "x" * 1000 + "WORD" + "y" * 1000)
    shown, carets = source.span(1000, 1004).excerpt().split("\n")
    assert len(shown) == len("1 | ") + EXCERPT_WIDTH + 2
    assert shown[carets.index("^") : carets.index("^") + 4] == "WORD"
    assert carets.count("^") == 4


def test_the_carets_of_a_long_span_end_with_what_is_shown() -> None:
    shown, carets = Source("Dockerfile", "x" * 1000).span(0, 1000).excerpt().split("\n")
    assert carets == "  | " + "^" * EXCERPT_WIDTH
    assert shown.endswith("x…")


def test_a_place_in_a_line_end_is_marked_right_behind_the_line() -> None:
    source = Source("f", "ab\r\r\r")
    assert source.span(5, 5).excerpt() == "1 | ab\n  |   ^"
