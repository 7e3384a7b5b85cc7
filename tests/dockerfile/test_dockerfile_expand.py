"""Variables are expanded in the whole dialect, and errors point at the characters at fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.dockerfile.expand import DEPTH_LIMIT, SIZE_LIMIT, expand, expand_document, expand_words
from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError
from minibuild.source import Source
from tests.pace import is_done_within

TABLE = Path(__file__).parent.parent.parent / "fixtures" / "expand.tsv"
VARIABLES = {"A": "abc", "E": ""}


def whole(value: str) -> Text:
    return Text.of(Source("Dockerfile", value).span(0, len(value)))


def refusal(value: str, **variables: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        expand(whole(value), {**VARIABLES, **variables})
    return caught.value


def rows() -> list[tuple[str, str, str]]:
    lines = [line for line in TABLE.read_text().split("\n") if line and not line.startswith("# ")]
    return [(expression, variables, result) for expression, variables, result in (line.split("\t") for line in lines)]


@pytest.mark.parametrize(("expression", "variables", "result"), rows())
def test_expressions_expand_as_the_table_says(expression: str, variables: str, result: str) -> None:
    more = dict(pair.split("=", 1) for pair in variables.split(";") if pair)
    try:
        expanded = expand(whole(expression), {**VARIABLES, **more})
    except DockerfileError as error:
        expanded = f"error: {error}"
    assert expanded == result


@pytest.mark.parametrize(
    ("expression", "carets"),
    [
        ("a ${A:=x}", "     ^^"),
        ("a ${A^^} b", "     ^"),
        ("a ${} b", "  ^^^"),
        ("x ${A", "  ^^^"),
        ("x ${U:-${A}", "  ^^^^^^^^^"),
        ("x 'y", "  ^"),
        ('x "y $A', "  ^"),
        ("x ${U:?m} y", "  ^^^^^^^"),
        ("${U:-a ${U?m}}", "       ^^^^^^"),
        ("x ${A#\\q} y", "      ^^"),
        ("x ${A/\\q/z} y", "      ^^"),
        ("x ${A/b} y", "  ^^^^^^^^"),
    ],
)
def test_an_error_points_at_the_characters_at_fault(expression: str, carets: str) -> None:
    span = refusal(expression).span
    assert span is not None
    assert span.excerpt() == f"1 | {expression}\n  | {carets}"


def test_an_error_in_a_continued_line_points_into_the_line_it_stands_in() -> None:
    source = Source("Dockerfile", "ENV a=b \\\n    c=${x!}\n")
    text = Text.joined([Text.of(source.span(4, 8)), Text.of(source.span(10, 21))])
    with pytest.raises(DockerfileError) as caught:
        expand(text, {})
    assert caught.value.span is not None
    assert caught.value.span.excerpt() == "2 |     c=${x!}\n  |          ^"


def test_assignment_is_answered_with_what_there_is_instead() -> None:
    assert refusal("${A:=x}").hint == "${A:-word} gives a default"


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("$U ${V} $A", ["U", "V"]),
        ("${U:-x} ${U+x} ${U-x} ${U:+x} ${U#a} ${U/a/b}", []),
        ("${U:-$V}", ["V"]),
        ("${A:-$V} ${U:+$V} ${A?$V}", []),
        ("$E", []),
        ("\"$U\" '$V'", ["U"]),
        ("$1 $", ["1"]),
    ],
)
def test_plain_names_without_a_value_are_told_of_where_they_are_used(expression: str, names: list[str]) -> None:
    told: list[Text] = []
    expand(whole(expression), VARIABLES, undefined=told.append)
    assert [str(name) for name in told] == names
    assert [name.span.text for name in told] == names


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", ()),
        ("a b", ("a", "b")),
        ("$P", ("80", "81", "82/udp")),
        ('"$P"', ("80 81 82/udp",)),
        ("x$P-y", ("x80", "81", "82/udp-y")),
        ("'a b'c d", ("a bc", "d")),
        ("a\\ b", ("a b",)),
        ('"" a', ("a",)),
        ("${U:-a b}", ("a", "b")),
        ("$E", ()),
        ("<< E", ("<< E",)),
    ],
)
def test_words_part_at_blanks_outside_quotes(expression: str, words: tuple[str, ...]) -> None:
    assert expand_words(whole(expression), {**VARIABLES, "P": "80 81 82/udp"}) == words


@pytest.mark.parametrize(
    ("document", "expanded"),
    [
        ("\"$A\" '$A' it's\n", "\"abc\" 'abc' it's\n"),
        ("\\$A\n", "$A\n"),
        ("\\\\\n", "\\\n"),
        ('\\n\\"\n', 'n"\n'),
        ("${U:-'q'}\n", "'q'\n"),
        ("a\n\tb $A\n", "a\n\tb abc\n"),
    ],
)
def test_quotes_mean_nothing_in_a_here_document(document: str, expanded: str) -> None:
    assert expand_document(whole(document), VARIABLES) == expanded


def test_the_other_escape_makes_the_backslash_plain() -> None:
    assert expand(whole("C:\\a `$A"), VARIABLES, escape="`") == "C:\\a $A"


def test_a_long_here_document_is_no_large_expansion() -> None:
    document = "x" * (SIZE_LIMIT + 1) + "$A"
    assert len(expand_document(whole(document), VARIABLES)) == SIZE_LIMIT + 4


def test_nesting_ends_at_a_depth() -> None:
    fits = "${U:-" * DEPTH_LIMIT + "x" + "}" * DEPTH_LIMIT
    assert expand(whole(fits), {}) == "x"
    assert refusal("${U:-" + fits + "}").message == "more than 100 expansions inside one another"
    assert refusal("${U:-" * 100_000).message == "more than 100 expansions inside one another"


@pytest.mark.parametrize("expression", ["$X" * 40, '"$X$X"', "${A//?/$X$X}", "${U:-$X$X}", "${X//x/$X}"])
def test_doubling_ends_at_a_size(expression: str) -> None:
    assert "more than 1048576 characters" in refusal(expression, X="x" * (SIZE_LIMIT - 1)).message


@pytest.mark.parametrize(
    "expression",
    [
        "${X#" + "*x" * 60 + "y}",
        "${X##" + "*x" * 60 + "y}",
        "${X%%y" + "*?" * 60 + "x}",
        "${X/" + "*x?" * 60 + "y/z}",
        "${X//x*y/z}",
        "${X//x*x*y/z}",
        "${L//x*y/z}",
    ],
)
def test_no_pattern_goes_back_over_the_value(expression: str) -> None:
    variables = {"X": "x" * 50_000, "L": "xx\n" * 20_000}
    assert is_done_within(2, lambda: expand(whole(expression), variables))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("${N#*2}", "l1\nl2"),
        ("${N#*1}", "\nl2"),
        ("${N%%l*}", "l1\n"),
        ("${N//*/x}", "x\nx"),
        ("${N//l?/x}", "x\nx"),
        ("${N/1*2/x}", "l1\nl2"),
    ],
)
def test_stars_stay_within_a_line(expression: str, expected: str) -> None:
    assert expand(whole(expression), {"N": "l1\nl2"}) == expected


def test_an_empty_match_right_behind_a_match_is_not_replaced() -> None:
    assert expand(whole("${A//*/x} ${A//b*/x} ${E//*/x}"), VARIABLES) == "x ax x"
