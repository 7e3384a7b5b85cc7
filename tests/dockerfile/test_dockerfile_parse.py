"""A Dockerfile's text becomes statements, with every error of the file and its place."""

from __future__ import annotations

import pytest

from minibuild.dockerfile import Dockerfile, Statement, parse, parse_trigger
from minibuild.dockerfile.parse import ERROR_LIMIT
from minibuild.errors import DockerfileError, Finding, MinibuildError
from minibuild.source import Source
from tests.pace import is_done_within


def read(text: str) -> Dockerfile:
    return parse(Source("Dockerfile", text))


def only(text: str) -> Statement:
    (statement,) = read(text).statements
    return statement


def errors_of(text: str) -> list[MinibuildError]:
    with pytest.raises(DockerfileError) as caught:
        read(text)
    return [caught.value, *caught.value.others]


def excerpt_of(error: MinibuildError | Finding) -> str:
    assert error.span is not None
    return error.span.excerpt()


# Lines


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("RUN a b", "a b"),
        ("  \tRUN \t a b \t\n", "a b"),
        ("RUN a \\\nb", "a b"),
        ("RUN a\\\nb", "ab"),
        ("RUN a \\  \t\n  b", "a   b"),
        ("RUN a \\\n# c\n  # c \\\n b", "a  b"),
        ("RUN a \\\n\n \t\n b", "a  b"),
        ("RUN a \\", "a"),
        ("RUN a \\\n", "a"),
        ("RUN a \\\\", "a \\\\"),
        ("RUN a \\\\\\", "a \\\\\\"),
        ("RUN a \\\r\nb\r\n", "a b"),
        ("RU\\\nN a", "a"),
        ("\\\nRUN a", "a"),
        ("\ufeffRUN a", "a"),
        ("# escape=`\nRUN C:\\\\a\\ `\nb", "C:\\\\a\\ b"),
        ("#\tEscape = ` \nRUN a`\nb", "ab"),
        ("# c\n# escape=`\nRUN a \\\nb", "a b"),
        ("\n# escape=`\nRUN a \\\nb", "a b"),
        ("# other=1\n# escape=`\nRUN a \\\nb", "a b"),
        ("# escape=\nRUN a \\\nb", "a b"),
    ],
)
def test_continuations_comments_and_line_ends_are_no_part_of_the_body(text: str, body: str) -> None:
    statement = only(text)
    assert (statement.keyword, str(statement.body)) == ("RUN", body)


def test_directives_are_kept_with_lower_case_names() -> None:
    text = "# Syntax = docker/dockerfile:1.4-labs\n# check=skip=A;error=true\n# escape=\\\nFROM a"
    assert read(text).directives == {
        "syntax": "docker/dockerfile:1.4-labs",
        "check": "skip=A;error=true",
        "escape": "\\",
    }


def test_another_syntax_than_docker_s_is_warned_of() -> None:
    (finding,) = read("# syntax=example.com/mine:1\nFROM a").findings
    assert (finding.rule, excerpt_of(finding)) == (
        "UnknownSyntax",
        "1 | # syntax=example.com/mine:1\n  |          ^^^^^^^^^^^^^^^^^^",
    )
    assert read("# syntax=mirror.example/docker/dockerfile:1\nFROM a").findings == ()


def test_a_directive_stands_once() -> None:
    (error,) = errors_of("# escape=`\n#  escape=`\nFROM a")
    assert error.message == "only one escape directive can be used"
    assert excerpt_of(error) == "2 | #  escape=`\n  |    ^^^^^^"


def test_only_two_characters_can_be_the_escape() -> None:
    (error,) = errors_of("# escape=^\nFROM a")
    assert error.message == "escape directive wants \\ or `, got '^'"
    assert excerpt_of(error) == "1 | # escape=^\n  |          ^"


def test_a_blank_line_in_a_continuation_is_warned_of_once() -> None:
    (finding,) = read("FROM a\nRUN a \\\n\n\n  b").findings
    assert (finding.rule, finding.span and finding.span.line) == ("NoEmptyContinuation", 3)


def test_comments_right_above_belong_to_the_statement() -> None:
    text = "# far\n\n#  one \n#two\nFROM a\n# in between\nRUN b \\\n# inside\n c\nRUN d"
    assert [statement.comments for statement in read(text).statements] == [("one", "two"), ("in between",), ()]


def test_a_line_has_a_limit_of_bytes() -> None:
    assert only("RUN " + "x" * 65531).keyword == "RUN"
    (error,) = errors_of("FROM a\nRUN " + "é" * 32766)
    assert error.message == "line of 65536 bytes, a line may have 65535"
    assert error.span is not None and (error.span.line, error.span.column) == (2, 1)


# Statements


def test_a_statement_spans_its_lines_and_here_documents() -> None:
    first, second = read("FROM a\n  RUN b \\\n  <<E # c\nd\nE\n").statements
    assert (first.span.line, first.span.last_line) == (1, 1)
    assert (second.span.line, second.span.column, second.span.last_line) == (2, 3, 5)
    assert second.original == "RUN b   <<E # c"


def test_keywords_are_upper_case_however_they_are_written() -> None:
    statement = only("fRoM a")
    assert (statement.keyword, statement.keyword_span.text, statement.original) == ("FROM", "fRoM", "fRoM a")


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "# escape=`\n", "\ufeff"])
def test_a_file_without_instructions_is_refused(text: str) -> None:
    (error,) = errors_of(text)
    assert error.message == "file with no instructions"


def test_all_errors_of_a_file_come_at_once_in_its_order() -> None:
    text = '# escape=x\nFROM a\nCMT b\nCMD ["a", 1]\n  COPPY b c\nONBUILD FROM x\nRUN <<E\n'
    assert [(error.message, error.hint) for error in errors_of(text)] == [
        ("escape directive wants \\ or `, got 'x'", ""),
        ("unknown instruction CMT", "did you mean CMD?"),
        ("JSON array of an instruction holds strings, got 1", 'write "1"'),
        ("unknown instruction COPPY", "did you mean COPY?"),
        ("FROM can't be triggered by ONBUILD", ""),
        ("here-document E has no end", "end it by a line that is E and nothing else"),
    ]
    assert excerpt_of(errors_of(text)[3]) == "5 |   COPPY b c\n  |   ^^^^^"


def test_an_unknown_instruction_in_a_continued_line_is_pointed_at_where_it_stands() -> None:
    (error,) = errors_of("FROM a\n\\\n  WROKDIR /x")
    assert excerpt_of(error) == "3 |   WROKDIR /x\n  |   ^^^^^^^"


def test_the_here_document_of_an_unknown_instruction_is_not_read_as_instructions() -> None:
    assert [error.message for error in errors_of("FROM a\nRUM <<E\nfoo\nbar\nE\nCMD c")] == ["unknown instruction RUM"]


def test_reading_stops_at_a_number_of_errors() -> None:
    assert len(errors_of("x\n" * 100_000)) == ERROR_LIMIT


def test_a_line_that_is_only_a_continuation_is_refused() -> None:
    assert errors_of("FROM a\n\\\n")[0].message == "line with nothing but a continuation"


# Flags


@pytest.mark.parametrize(
    ("text", "flags", "body"),
    [
        ("COPY --from=a b c", [("from", "a")], "b c"),
        ("COPY --link b c", [("link", None)], "b c"),
        ("COPY --from= b c", [("from", "")], "b c"),
        ("COPY  --a=1   --b=2  x", [("a", "1"), ("b", "2")], "x"),
        ("COPY --a=1 x --b=2", [("a", "1")], "x --b=2"),
        ("COPY --a -- --b", [("a", None)], "--b"),
        ("COPY --a=b=c d", [("a", "b=c")], "d"),
        ('RUN --mount="type=bind,target=/a b" c', [("mount", "type=bind,target=/a b")], "c"),
        ("RUN --mount='a b'\\ c d", [("mount", "a b c")], "d"),
        ('RUN --a=\\"b c', [("a", '"b')], "c"),
        ('RUN --a="b c', [("a", "b c")], ""),
        ("RUN --a=b\\", [("a", "b")], ""),
        ("RUN -a b", [], "-a b"),
        ("RUN --", [], ""),
        ("RUN --mount=a \\\n  --network=b \\\n  c", [("mount", "a"), ("network", "b")], "c"),
    ],
)
def test_flags_stand_between_keyword_and_body(text: str, flags: list[tuple[str, str | None]], body: str) -> None:
    statement = only(text)
    given = [(flag.name, None if flag.value is None else str(flag.value)) for flag in statement.flags]
    assert (given, str(statement.body)) == (flags, body)


def test_a_flag_points_at_its_word_and_its_value_at_the_value() -> None:
    first, second = only('RUN --a=1 \\\n  --mount="x y" c').flags
    assert (first.span.text, first.value and first.value.span.text) == ("--a=1", "1")
    assert second.span.excerpt() == '2 |   --mount="x y" c\n  |   ^^^^^^^^^^^^^'
    assert second.value is not None
    assert second.value.span.excerpt() == '2 |   --mount="x y" c\n  |            ^^^'


# Exec form


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ('["a", "b c"]', ["a", "b c"]),
        ('[ "a" ,\t"b" ]', ["a", "b"]),
        ("[]", []),
        ("[ ]", []),
        ('[""]', [""]),
        ('["\\"\\\\\\/\\n\\u00e9\\ud83d\\ude00"]', ['"\\/\né\U0001f600']),
        ('["\\ud800x"]', ["\ufffdx"]),
        ('["a", \\\n "b"]', ["a", "b"]),
        ('["é"]', ["é"]),
        ("['a']", None),
        ('["a",]', None),
        ('["a" "b"]', None),
        ('["a"] b', None),
        ('["a"', None),
        ('["a\tb"]', None),
        ('["\\x"]', None),
        ("[NaN]", None),
        ("[", None),
        ('{"a": 1}', None),
        ("a [b]", None),
        ("", None),
    ],
)
def test_the_exec_form_is_a_json_array_of_strings(body: str, arguments: list[str] | None) -> None:
    statement = only(f"CMD {body}")
    given = None if statement.arguments is None else [str(word) for word in statement.arguments]
    assert given == arguments


@pytest.mark.parametrize(
    ("body", "message", "carets"),
    [
        ('["a", 1]', "got 1", "          ^"),
        ('[ null, "a"]', "got null", "      ^^^^"),
        ('["a", ["b"], "c"]', 'got ["b"]', "          ^^^^^"),
        ('["a", true, 2]', "got true", "          ^^^^"),
        ("[1e999]", "got 1e999", "     ^^^^^"),
        ("[" + "1" * 5000 + "]", "got " + "1" * 40, "     " + "^" * 155),
    ],
)
def test_an_element_that_is_no_string_is_pointed_at(body: str, message: str, carets: str) -> None:
    (error,) = errors_of(f"CMD {body}")
    assert error.message == f"JSON array of an instruction holds strings, {message}"
    assert excerpt_of(error).split("\n")[1] == f"  | {carets}"


def test_each_string_of_the_exec_form_points_at_its_place() -> None:
    statement = only('CMD ["a", \\\n  "b\\tc"]')
    assert statement.arguments is not None
    assert [word.span.excerpt() for word in statement.arguments] == [
        '1 | CMD ["a", \\\n  |       ^',
        '2 |   "b\\tc"]\n  |    ^^^^',
    ]
    assert statement.arguments[1].slice(2, 3).span.column == 7


@pytest.mark.parametrize(
    ("line", "hint", "carets"),
    [
        ("CMD ['a']", "double quotes", "     ^"),
        ('CMD ["a",]', "no comma", "        ^"),
        ('CMD ["a" b]', "looks like", "         ^"),
        ("CMD [ 'a', 'b' ]", "double quotes", "      ^"),
        ("CMD [a, b]", "looks like", "     ^"),
        ('ENTRYPOINT ["a"', "looks like", "              ^"),
        ("COPY ['a b', '/x']", "double quotes", "      ^"),
        ("VOLUME [/a]", "looks like", "        ^"),
        ("HEALTHCHECK --retries=1 CMD ['a']", "double quotes", "                             ^"),
        ("ONBUILD CMD ['a']", "double quotes", "             ^"),
    ],
)
def test_what_looks_like_the_exec_form_but_is_none_is_warned_of(line: str, hint: str, carets: str) -> None:
    (finding,) = read(line).findings
    assert finding.rule == "InvalidJSONForm"
    assert hint in finding.hint
    assert excerpt_of(finding) == f"1 | {line}\n  | {carets}"


@pytest.mark.parametrize(
    "line",
    [
        "RUN [ -f /x ] && y",
        "RUN [ -f /x ]",
        'RUN [ "$A" = b ] || { echo "c, d"; exit 1; }',
        "RUN [[ $a == b ]]",
        "COPY [a-z]* /x/",
        'CMD ["a"]',
        "SHELL [sh]",
        'ENV a=["b"',
    ],
)
def test_tests_and_patterns_in_brackets_are_no_exec_forms_gone_wrong(line: str) -> None:
    assert read(line).findings == ()


def test_json_too_deep_to_read_is_the_shell_form() -> None:
    assert only("CMD " + "[" * 30_000).arguments is None


# Here-documents


def documents_of(text: str) -> list[tuple[str, str, bool]]:
    return [(document.name, document.content, document.expands) for document in only(text).heredocs]


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("RUN <<E\na\n b\nE\n", [("E", "a\n b\n", True)]),
        ("RUN <<E\nE", [("E", "", True)]),
        ("RUN <<'E'\n$a\nE", [("E", "$a\n", False)]),
        ('RUN <<"E"\n$a\nE', [("E", "$a\n", False)]),
        ("RUN <<E'F'\na\nEF", [("EF", "a\n", False)]),
        ("RUN <<'E F'\na\nE F", [("E F", "a\n", False)]),
        ("RUN <<\\E\na\nE", [("E", "a\n", True)]),
        ("RUN <<E\na\n E\nE \nE", [("E", "a\n E\nE \n", True)]),
        ("RUN <<-E\n\t\ta\n \tb\n\tE", [("E", "a\n \tb\n", True)]),
        ("RUN <<-E\n\t\n\t\ta\n\tE", [("E", "\na\n", True)]),
        ("RUN << E\na\nE", [("E", "a\n", True)]),
        ("RUN cat <<A 3<<-B\na\nA\n\tb\nB", [("A", "a\n", True), ("B", "b\n", True)]),
        ("COPY <<a <<b /x/\n1\na\n2\nb\n", [("a", "1\n", True), ("b", "2\n", True)]),
        ("ADD <<E /x\r\na\r\nE\r\n", [("E", "a\r\n", True)]),
        ("RUN a \\\n <<E \\\n && b\nc\\\nd\nE", [("E", "c\\\nd\n", True)]),
        ("RUN <<E\n# no comment\n\nE", [("E", "# no comment\n\n", True)]),
        ("RUN <<E && echo ${x^^}\na\nE", [("E", "a\n", True)]),
        ("ONBUILD RUN <<E\na\nE", [("E", "a\n", True)]),
        ("# escape=`\nCOPY <<E C:\\x\na\nE", [("E", "a\n", True)]),
    ],
)
def test_here_documents_are_read_to_their_names(text: str, documents: list[tuple[str, str, bool]]) -> None:
    assert documents_of(text) == documents


@pytest.mark.parametrize(
    "line",
    [
        "RUN a <<<b",
        "RUN cat<<E",
        "RUN echo '<<E'",
        'RUN echo "a <<E"',
        "RUN echo \\<<E",
        "RUN echo $((1<<2))",
        "RUN echo <<E it's",
        "RUN <<",
        "RUN <<-",
        'RUN <<""',
        'RUN ["cat", "<<E"]',
        "CMD <<E",
        "ENV a=<<E",
        "ONBUILD CMD <<E",
    ],
)
def test_these_words_are_no_here_documents(line: str) -> None:
    assert documents_of(line) == []


def test_a_here_document_knows_its_marker_and_its_lines() -> None:
    (document,) = only('RUN cat 3<<-"E" x\n\ta\n\t\tb\n\tE\n').heredocs
    assert (document.descriptor, document.chomps, str(document.marker)) == ("3", True, '3<<-"E"')
    assert document.marker.span.excerpt() == '1 | RUN cat 3<<-"E" x\n  |         ^^^^^^^'
    assert document.span.text == "\ta\n\t\tb\n"
    assert document.text.value == document.content == "a\nb\n"
    assert [document.text.slice(index, index + 1).span.column for index in (0, 2)] == [2, 3]


def test_a_here_document_without_an_end_is_pointed_at_by_its_marker() -> None:
    (error,) = errors_of("FROM a\nRUN cat \\\n  <<-EOF\nFOO\n EOF\n")
    assert error.message == "here-document EOF has no end"
    assert excerpt_of(error) == "3 |   <<-EOF\n  |   ^^^^^^"


# ONBUILD


def test_a_trigger_is_a_statement_of_its_own() -> None:
    statement = only("# c\nONBUILD \\\n  copy --from=a b c")
    trigger = statement.trigger
    assert trigger is not None
    assert (statement.keyword, trigger.keyword, str(trigger.body)) == ("ONBUILD", "COPY", "b c")
    assert [flag.name for flag in trigger.flags] == ["from"]
    assert trigger.keyword_span.excerpt() == "3 |   copy --from=a b c\n  |   ^^^^"


@pytest.mark.parametrize("keyword", ["ONBUILD", "from", "MAINTAINER"])
def test_some_instructions_are_no_triggers(keyword: str) -> None:
    (error,) = errors_of(f"ONBUILD {keyword} x")
    assert error.message == f"{keyword.upper()} can't be triggered by ONBUILD"
    assert excerpt_of(error).endswith("|         " + "^" * len(keyword))
    with pytest.raises(DockerfileError, match="can't be triggered"):
        parse_trigger(f"{keyword} RUN x", "trigger 1 of a")


def test_an_unknown_trigger_is_pointed_at() -> None:
    (error,) = errors_of("ONBUILD RUM x")
    assert (error.hint, excerpt_of(error)) == ("did you mean RUN?", "1 | ONBUILD RUM x\n  |         ^^^")


def test_onbuild_alone_is_refused() -> None:
    assert errors_of("ONBUILD")[0].message == "ONBUILD wants an instruction"


def test_a_trigger_out_of_an_image_is_read_with_its_here_document() -> None:
    trigger = parse_trigger("RUN <<E\na\nE", "trigger 1 of a")
    assert (trigger.keyword, trigger.heredocs[0].content) == ("RUN", "a\n")
    assert str(trigger.keyword_span) == "trigger 1 of a:1:1"


def test_a_trigger_out_of_an_image_is_one_instruction() -> None:
    with pytest.raises(DockerfileError, match="trigger 1 of a wants one instruction"):
        parse_trigger("RUN a\nRUN b", "trigger 1 of a")


# Speed


def test_a_thousand_lines_are_read_in_a_moment() -> None:
    block = 'RUN a --b "${c}" && \\\n  echo d\nENV a=b c="d e"\nCOPY --from=x a b /c/\nCMD ["a", "b"]\n# comment\n\n'
    text = "FROM a\n" + block * 145
    assert text.count("\n") > 1000
    assert is_done_within(0.05, lambda: read(text))


@pytest.mark.parametrize(
    "text",
    [
        "RUN " + "'" * 60_000,
        "RUN <<" + '"' * 60_001,
        "RUN --a=" + "'\\" * 30_000,
        "RUN <<a\n" * 20_000,
        "RUM <<a\n" * 20_000,
        "#escape=x" + " " * 60_000 + "y\nRUN a",
        "RUN a \\\n" * 60_000,
        "CMD [" + '"a", \\\n' * 60_000 + '"b"]',
        "ONBUILD " * 8000,
        "CMD [" + '"a",' * 15_000 + "]",
        "RUN [ " + "'a' " * 15_000,
    ],
    ids=lambda text: text[:12],
)
def test_no_text_makes_reading_slow(text: str) -> None:
    def work() -> None:
        try:
            read(text)
        except DockerfileError as error:
            assert error.message

    assert is_done_within(2, work)
