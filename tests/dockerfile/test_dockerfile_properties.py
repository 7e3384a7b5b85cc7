"""Whatever the text, reading it ends in values or in an error of ours that points into it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from minibuild.build.ignore import IgnoreFile
from minibuild.dockerfile import Statement, Text, parse
from minibuild.dockerfile.expand import expand, expand_document, expand_words
from minibuild.dockerfile.words import split_declarations, split_pairs, split_words
from minibuild.errors import ContextError, DockerfileError, MinibuildError
from minibuild.source import Source, Span

PIECES = st.sampled_from(
    [
        *(
            "FROM a\n",
            "RUN ",
            "COPY ",
            "ENV ",
            "ONBUILD ",
            "CMD ",
            "# escape=`\n",
            "# x\n",
            "\\\n",
            "`\n",
            "\n",
            "\r\n",
        ),
        *(
            "<<E",
            "<<-'E'",
            "\nE\n",
            "--a=",
            "[",
            "]",
            '"',
            "'",
            ",",
            "\\",
            "$",
            "${",
            "}",
            ":-",
            "##",
            "%",
            "/",
            "*",
            "\t",
        ),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=30).map("".join)
ESCAPES = st.sampled_from("\\`")


def texts_of(statement: Statement) -> list[Text]:
    own = [statement.body, *(statement.arguments or ()), *(flag.value for flag in statement.flags if flag.value)]
    markers = [document.marker for document in statement.heredocs]
    return own + markers + (texts_of(statement.trigger) if statement.trigger else [])


def stands_in(span: Span | None, source: Source) -> bool:
    return span is not None and 0 <= span.start <= span.end <= len(source.text) and bool(span.excerpt())


def covers_something(error: MinibuildError, source: Source) -> bool:
    """Its place is in the source and holds a character, unless it is about what is missing behind the last one."""
    span = error.span
    return stands_in(span, source) and span is not None and (span.start < span.end or span.end == len(source.text))


def points_at_itself(text: Text) -> bool:
    """Each character that needed no decoding is the one that stands at its place."""
    source = text.source.text
    places = [text.offset(index) for index in range(len(text.value))]
    return places == sorted(set(places)) and all(place < len(source) for place in places)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_parsing_ends_in_statements_or_an_error_with_a_place(text: str) -> None:
    try:
        dockerfile = parse(Source("Dockerfile", text))
    except DockerfileError as error:
        source = Source("Dockerfile", text.removeprefix("\ufeff"))
        assert all(covers_something(each, source) for each in (error, *error.others))
        return
    assert all(stands_in(finding.span, dockerfile.source) for finding in dockerfile.findings)
    for statement in dockerfile.statements:
        assert all(map(points_at_itself, texts_of(statement)))
        assert all(document.text.value == document.content for document in statement.heredocs)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_a_body_is_made_of_the_characters_of_the_file(text: str) -> None:
    try:
        dockerfile = parse(Source("Dockerfile", text))
    except DockerfileError:
        return
    for statement in dockerfile.statements:
        body = statement.body
        stood = [dockerfile.source.text[body.offset(index)] for index in range(len(body.value))]
        assert "".join(stood) == body.value


@settings(max_examples=300, deadline=None)
@given(TEXTS, ESCAPES)
def test_expansion_ends_in_a_string_or_an_error_with_a_place(value: str, escape: str) -> None:
    text = Text.of(Source("Dockerfile", value).span(0, len(value)))
    for how in (expand, expand_words, expand_document):
        try:
            assert how(text, {"a": "b/b", "E": ""}, escape=escape) is not None
        except DockerfileError as error:
            assert covers_something(error, text.source)


@settings(max_examples=300, deadline=None)
@given(TEXTS, ESCAPES)
def test_words_stand_in_the_text_they_are_cut_from(value: str, escape: str) -> None:
    text = Text.of(Source("Dockerfile", value).span(0, len(value)))
    words = [*split_words(text), *(name for name, _ in split_declarations(text, escape))]
    try:
        words += [part for pair in split_pairs(text, escape).pairs for part in pair]
    except DockerfileError as error:
        assert stands_in(error.span, text.source)
    assert all(word.span.text == word.value for word in words)


@settings(max_examples=300, deadline=None)
@given(
    st.text() | st.lists(st.sampled_from(["a", "*", "**", "/", "[", "]", "^", "-", "\\", "!", "\n", "?"])).map("".join)
)
def test_an_ignore_file_is_read_or_refused_with_a_place(value: str) -> None:
    source = Source(".dockerignore", value)
    try:
        assert IgnoreFile.parse(source).excludes("a/b") in (True, False)
    except ContextError as error:
        errors: tuple[MinibuildError, ...] = (error, *error.others)
        assert all(stands_in(each.span, source) for each in errors)
