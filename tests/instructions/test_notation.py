"""Go's quoted strings and durations."""

import pytest

from minibuild.instructions.notation import format_duration, parse_duration, quoted, quoted_list


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", '"plain"'),
        ('a "b" \\', r'"a \"b\" \\"'),
        ("tab\tline\n", r'"tab\tline\n"'),
        ("\x00\x1b", r'"\x00\x1b"'),
        ("é漢", '"é漢"'),
        ("\u200b", r'"\u200b"'),
        ("\U000e0001", r'"\U000e0001"'),
        ("\udcff", r'"\xff"'),
    ],
)
def test_strings_are_quoted_as_go_does(text: str, written: str) -> None:
    assert quoted(text) == written


def test_a_list_is_parted_by_blanks() -> None:
    assert quoted_list(["a", "b c"]) == '["a" "b c"]'
    assert quoted_list([]) == "[]"


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("30s", 30 * 10**9),
        ("1m30s", 90 * 10**9),
        ("1.5h", 5400 * 10**9),
        (".5s", 5 * 10**8),
        ("1.s", 10**9),
        ("2h3m4s5ms6us7ns", 7384005006007),
        ("1µs", 1000),
        ("1μs", 1000),
        ("0", 0),
        ("+5s", 5 * 10**9),
        ("-1s", -(10**9)),
    ],
)
def test_durations_are_read(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "1", "s", ".s", "1 s", "1s ", "1d", "1S", "--1s", "1e3s", "9999999999h"])
def test_what_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    "text", ["0s", "1ns", "1.5µs", "500ms", "1s", "1.5s", "1m0s", "1m30.25s", "1h0m0s", "26h1m0.001s"]
)
def test_durations_are_written_as_they_are_read(text: str) -> None:
    nanoseconds = parse_duration(text)
    assert nanoseconds is not None
    assert format_duration(nanoseconds) == text
