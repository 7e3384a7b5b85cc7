"""Errors and warnings as a person reads them."""

from __future__ import annotations

import errno

import pytest

from minibuild.cli.rendering import paint, render, render_finding, wants_colour
from minibuild.errors import CommandFailed, DockerfileError, Finding, UsageError
from minibuild.source import Source
from tests.cli.streams import Terminal

SOURCE = Source("Dockerfile", "FROM a\nRUN make \x1b[31mall\nCMT x\n")


def test_a_failed_command_shows_its_output_then_its_place() -> None:
    error = CommandFailed(
        "RUN ended with status 2: make all",
        status=2,
        output=["cc a.c", "a.c:1: \x1b[31merror\x1b[0m\x1b[2J"],
        span=SOURCE.span(7, 10),
        hint="look",
    )
    assert render(error) == (
        "the last 2 lines of its output:\n"
        "  cc a.c\n"
        "  a.c:1: error\n"
        "Dockerfile:2:1: error: RUN ended with status 2: make all\n"
        "2 | RUN make \ufffd[31mall\n"
        "  | ^^^\n"
        "hint: look"
    )


def test_errors_of_one_reading_are_all_shown() -> None:
    first = DockerfileError("RUN has no command", span=SOURCE.span(7, 10))
    second = DockerfileError("no instruction 'CMT'", span=SOURCE.span(25, 28), hint="did you mean CMD?")
    shown = render(DockerfileError.together([second, first]))
    assert [line for line in shown.splitlines() if "error: " in line or "hint: " in line] == [
        "Dockerfile:2:1: error: RUN has no command",
        "Dockerfile:3:1: error: no instruction 'CMT'",
        "hint: did you mean CMD?",
    ]


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/store/x"),
            (
                "error: /store/x: No space left on device\n"
                "hint: make room there, or keep the store elsewhere with --root DIR"
            ),
        ),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "error: /x: Permission denied"),
        (
            ZeroDivisionError("division by zero\nand more"),
            (
                "error: unexpected ZeroDivisionError: division by zero\n"
                "hint: --debug shows the traceback; please report it"
            ),
        ),
        (KeyError(), "error: unexpected KeyError\nhint: --debug shows the traceback; please report it"),
        (UsageError("x wants y"), "error: x wants y"),
        (UsageError("\x1b]0;owned\x07x wants \x1b[2Jy"), "error: x wants y"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_error_takes_a_line_and_perhaps_a_hint(error: Exception, shown: str) -> None:
    assert render(error) == shown


def test_a_finding_without_a_place_shows_rule_and_hint() -> None:
    assert render_finding(Finding("UnusedBuildArg", "X is not used", None, "remove it")) == (
        "warning: X is not used (UnusedBuildArg)\nhint: remove it"
    )


def test_colour_marks_head_carets_and_hint_and_nothing_else() -> None:
    text = "Dockerfile:2:5: error: no\n2 | RUN error: hint: x\n  |     ^^^\nhint: do"
    assert paint(text, colour=True).split("\n") == [
        "\x1b[1mDockerfile:2:5: \x1b[31merror:\x1b[0m\x1b[1m no\x1b[0m",
        "2 | RUN error: hint: x",
        "  |     \x1b[31m^^^\x1b[0m",
        "\x1b[36mhint:\x1b[0m do",
    ]
    assert paint(text, colour=False) == text


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=str,
)
def test_a_terminal_has_colours_unless_told_otherwise(environment: dict[str, str], wanted: bool) -> None:
    assert wants_colour(Terminal(), environment) is wanted


def test_a_warning_does_not_repeat_a_token() -> None:
    token = f"ghp_{'0aB1cD2eF3' * 4}"
    source = Source("Dockerfile", f"ENV TOKEN={token}")
    text = render_finding(Finding("SecretsUsedInArgOrEnv", "ENV TOKEN looks like a secret", source.span(4, 9)))
    assert text.split("\n")[1] == f"1 | ENV TOKEN=ghp_{'*' * 40}"


def test_of_a_word_that_nobody_reads_to_its_end_an_error_shows_both_ends() -> None:
    shown = render(DockerfileError("--chmod wants an octal mode, got '" + "a" * 100000 + "'"))
    assert (len(shown), shown[:25], shown[-3:]) == (610, "error: --chmod wants an o", "aa'")
