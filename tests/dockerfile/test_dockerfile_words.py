"""Bodies are cut into words and pairs, each pointing at its place."""

from __future__ import annotations

import pytest

from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import Pairs, split_declarations, split_pairs, split_quoted, split_words
from minibuild.errors import DockerfileError
from minibuild.source import Source


def whole(value: str) -> Text:
    return Text.of(Source("Dockerfile", value).span(0, len(value)))


def pairs_of(value: str, escape: str = "\\") -> list[tuple[str, str]]:
    return [(str(name), str(text)) for name, text in split_pairs(whole(value), escape).pairs]


def test_quotes_hold_no_plain_words_together() -> None:
    assert [str(word) for word in split_words(whole('"a b"  c\td'))] == ['"a', 'b"', "c", "d"]


def test_words_point_at_where_they_stand() -> None:
    assert [(word.span.column, word.span.text) for word in split_words(whole("a  bc"))] == [(1, "a"), (4, "bc")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  ", []),
        ("a b", ["a", "b"]),
        ("'a b' c", ["'a b'", "c"]),
        ('"a b"c d', ['"a b"c', "d"]),
        ('"a\\" b" c', ['"a\\" b"', "c"]),
        ("'a\\' b", ["'a\\'", "b"]),
        ("a\\ b c", ["a\\ b", "c"]),
        ('"" b', ['""', "b"]),
        ("'a b", ["'a b"]),
        ('"a b', ['"a b']),
        ("a\\", ["a"]),
        ('"a\\', ['"a']),
        ("\\", []),
        ("a\xa0b", ["a", "b"]),
    ],
)
def test_quotes_and_escapes_hold_quoted_words_together(text: str, words: list[str]) -> None:
    assert [str(word) for word in split_quoted(whole(text), "\\")] == words


def test_the_other_escape_leaves_backslashes_alone() -> None:
    assert [str(word) for word in split_quoted(whole("C:\\ a` b"), "`")] == ["C:\\", "a` b"]


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("a=b", [("a", "b")]),
        ("a= b=c", [("a", ""), ("b", "c")]),
        ('a="b c" d=e', [("a", '"b c"'), ("d", "e")]),
        ('"a b"=c', [('"a b"', "c")]),
        ("a=b=c", [("a", "b=c")]),
        ("=b", [("", "b")]),
        ("a=b\\ c", [("a", "b\\ c")]),
    ],
)
def test_pairs_are_parted_by_the_first_equals_sign(text: str, pairs: list[tuple[str, str]]) -> None:
    assert pairs_of(text) == pairs


def test_the_old_form_takes_all_that_follows_as_the_value() -> None:
    text = whole('a  b c="d"')
    assert split_pairs(text, "\\") == Pairs(((text.slice(0, 1), text.slice(3, 10)),), is_legacy=True)


def test_a_word_without_a_value_is_pointed_at() -> None:
    with pytest.raises(DockerfileError) as caught:
        split_pairs(whole("a=1 b"), "\\")
    assert caught.value.message == "b is not of the form name=value"
    assert caught.value.span is not None
    assert caught.value.span.excerpt() == "1 | a=1 b\n  |     ^"


def test_a_name_alone_lacks_its_value() -> None:
    with pytest.raises(DockerfileError, match="name has no value"):
        split_pairs(whole("name"), "\\")


def test_a_declaration_tells_no_default_from_an_empty_one() -> None:
    declared = split_declarations(whole('a b= c="d e"'), "\\")
    assert [(str(name), None if value is None else str(value)) for name, value in declared] == [
        ("a", None),
        ("b", ""),
        ("c", '"d e"'),
    ]
