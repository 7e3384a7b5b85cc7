"""Texts remember where their characters stood."""

from __future__ import annotations

from minibuild.dockerfile.text import Text
from minibuild.source import Source

SOURCE = Source("Dockerfile", "RUN a \\\n  b\n")


def joined() -> Text:
    """``a   b``, out of two lines."""
    return Text.joined([Text.of(SOURCE.span(4, 6)), Text.of(SOURCE.span(8, 11))])


def test_a_joined_text_knows_the_place_of_each_character() -> None:
    text = joined()
    assert text.value == "a   b"
    assert [text.offset(index) for index in range(5)] == [4, 5, 8, 9, 10]


def test_a_slice_across_the_gap_keeps_it() -> None:
    text = joined().slice(1, 5)
    assert (text.value, text.segments) == ("   b", ((0, 5), (1, 8)))
    assert text.slice(3, 4).span == SOURCE.span(10, 11)


def test_a_slice_of_a_slice_is_the_slice() -> None:
    text = joined()
    for start in range(6):
        for end in range(start, 6):
            part = text.slice(start, end)
            assert part.value == text.value[start:end]
            assert [part.offset(i) for i in range(len(part.value))] == [text.offset(i) for i in range(start, end)]


def test_joining_leaves_no_segment_of_an_empty_text() -> None:
    empty = Text.of(SOURCE.span(0, 0))
    text = Text.joined([empty, Text.of(SOURCE.span(4, 5)), empty, Text.of(SOURCE.span(10, 11))])
    assert (text.value, text.segments) == ("ab", ((0, 4), (1, 10)))


def test_an_empty_text_points_at_where_it_would_stand() -> None:
    assert joined().slice(2, 2).span == SOURCE.span(8, 8)
    assert Text.joined([Text.of(SOURCE.span(3, 3))]).span == SOURCE.span(3, 3)


def test_stripping_takes_the_blanks_that_go_knows_and_no_others() -> None:
    source = Source("Dockerfile", "\xa0 \x1fa\x1f\u3000\t")
    assert Text.of(source.span(0, len(source.text))).strip().value == "\x1fa\x1f"


def test_texts_with_the_same_characters_are_equal_wherever_they_stand() -> None:
    assert Text.of(SOURCE.span(4, 5)) == Text.of(Source("other", "a").span(0, 1))
