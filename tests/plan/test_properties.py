"""Whatever the text, reading and planning it ends in a plan or in DockerfileErrors that point into it."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from minibuild.checks import check
from minibuild.errors import DockerfileError
from minibuild.oci import ContainerConfig, Image, ImageConfig, Platform
from minibuild.plan import Options, Plan, plan, read, render
from minibuild.source import Source, Span

REAL = sorted(
    path.read_bytes().decode("utf-8", "replace")
    for path in Path(__file__).parent.parent.parent.glob("fixtures/dockerfiles/*/Dockerfile")
)
PIECES = [
    *(
        "FROM a\n",
        "FROM scratch AS b\n",
        "ARG ",
        "ENV ",
        "LABEL ",
        "RUN ",
        "COPY ",
        "ADD ",
        "WORKDIR ",
        "USER ",
        "EXPOSE ",
    ),
    *("VOLUME ", "CMD ", "ENTRYPOINT ", "SHELL ", "STOPSIGNAL ", "HEALTHCHECK ", "ONBUILD ", "MAINTAINER "),
    *("--from=b ", "--chown=1:1 ", "--chmod=", "--mount=type=", "--interval=1s ", "--platform=$", "--", "type=bind,"),
    *(
        "$x",
        "${x:-",
        "${x/",
        "}",
        "x=",
        "=",
        '"',
        "'",
        "\\",
        "`",
        "\\\n",
        "\n",
        "\r\n",
        "#",
        "# escape=`\n",
        "# check=",
    ),
    *(
        "<<E",
        "<<-'E'",
        "\nE\n",
        '["',
        '", "',
        '"]',
        "[",
        "]",
        ",",
        " ",
        "\t",
        "/",
        "./",
        "..",
        "*",
        "?",
        "\x00",
        "\ufeff",
    ),
    *("0", "8080/tcp", "70000", "1-", "NONE", "CMD a", "é", "\ud800", "²", "\u2028", "\x85", "::", "@sha256:", "a"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=40).map("".join)


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A Dockerfile that means something, with pieces cut out of it and others put in."""
    text = draw(st.sampled_from(REAL))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 10, 200])))
        text = text[:start] + draw(st.sampled_from(PIECES) | st.text(max_size=3)) + text[end:]
    return text


def lookup(_name: str, platform: Platform, _span: Span) -> Image:
    return Image.compose(ImageConfig(platform, ContainerConfig(environment=(("PATH", "/bin"),))), ())


def planned(text: str) -> Plan | None:
    """The plan of a text; None where it gives an error, each part of which points into the text."""
    try:
        dockerfile = read(Source("Dockerfile", text))
        return check(dockerfile, plan(dockerfile, lookup, Options(build_arguments={"x": "1"})))
    except DockerfileError as error:
        whole = text.removeprefix("\ufeff")
        for each in (error, *error.others):
            assert each.message and isinstance(each, DockerfileError)
            assert each.span is not None and points_at_something(each.span)
            assert each.span.source.text == whole or each.span.source.name.startswith("ONBUILD")
            assert has_carets_below_the_word(each.span)
        return None


def points_at_something(span: Span) -> bool:
    """It stands in its source and covers a character, unless it is about what should follow the last one."""
    size = len(span.source.text)
    return 0 <= span.start < span.end <= size or span.start == span.end == size


def has_carets_below_the_word(span: Span) -> bool:
    """The excerpt shows the line it is about, and marks a part of it."""
    line, carets = span.excerpt().split("\n")
    return "^" in carets and len(carets.rstrip("^")) <= len(line)


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_no_text_whatever_gives_anything_but_a_plan_or_dockerfile_errors(text: str) -> None:
    result = planned("FROM a AS first\n" + text)
    assert result is None or render(result)


@settings(max_examples=400, deadline=None)
@given(mutations())
def test_a_dockerfile_with_pieces_cut_out_and_put_in_gives_a_plan_or_dockerfile_errors(text: str) -> None:
    result = planned(text)
    assert result is None or render(result)


@settings(max_examples=200, deadline=None)
@given(mutations())
def test_statements_stand_in_the_file_one_behind_the_other(text: str) -> None:
    try:
        dockerfile = read(Source("Dockerfile", text))
    except DockerfileError:
        return
    end = 0
    for statement in dockerfile.statements:
        assert end <= statement.span.start < statement.span.end
        assert statement.keyword_span.start == statement.span.start
        assert statement.body.span.start >= statement.keyword_span.end
        end = statement.span.end


@settings(max_examples=300, deadline=None)
@given(mutations())
def test_keywords_and_flags_stand_where_their_spans_say(text: str) -> None:
    try:
        dockerfile = read(Source("Dockerfile", text))
    except DockerfileError:
        return
    for statement in dockerfile.statements:
        written = statement.keyword_span.text.upper()
        assert (written[0], written[-1]) == (statement.keyword[0], statement.keyword[-1])
        for flag in statement.flags:
            stood = flag.value and [flag.value.source.text[flag.value.offset(i)] for i in range(len(flag.value.value))]
            assert stood is None or "".join(stood) == flag.value.value
            assert flag.span.text.startswith(("--", statement.escape))
