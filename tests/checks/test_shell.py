"""Shell commands as words: what a RUN, CMD or ENTRYPOINT calls, and where each word stands."""

from __future__ import annotations

import pytest

from minibuild.checks.shell import Command, commands, commands_of
from minibuild.dockerfile import parse
from minibuild.dockerfile.text import Text
from minibuild.source import Source


def text_of(words: str) -> Text:
    """The whole of a text."""
    return Text.of(Source("x", words).span(0, len(words)))


def words_of(found: tuple[Command, ...]) -> list[tuple[list[str], str]]:
    """The words of commands, and what ends each."""
    return [([word.value for word in command.words], command.ends) for command in found]


def called(instruction: str) -> list[list[str]]:
    """The words of the commands of an instruction."""
    dockerfile = parse(Source("Dockerfile", f"FROM a\n{instruction}\n"))
    return [[word.value for word in command.words] for command in commands_of(dockerfile.statements[1])]


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("a b && c", [(["a", "b"], "&&"), (["c"], "")]),
        ("a||b;c|d&e", [(["a"], "||"), (["b"], ";"), (["c"], "|"), (["d"], "&"), (["e"], "")]),
        ("a |& b\nc", [(["a"], "|&"), (["b"], "\n"), (["c"], "")]),
        ("(a; b) && { c; }", [(["a"], ";"), (["b"], ")"), (["c"], ";")]),
        ("", []),
        ("  # nothing\n", []),
        ("a # b && c\nd", [(["a"], "\n"), (["d"], "")]),
        ("a b#c", [(["a", "b#c"], "")]),
        ("a \\\n  b", [(["a", "b"], "")]),
    ],
)
def test_operators_part_commands(script: str, found: list[tuple[list[str], str]]) -> None:
    assert words_of(commands(text_of(script))) == found


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'a && b'", ["echo", "a && b"]),
        ('echo "a; \\"b\\" $(c && d)"', ["echo", 'a; "b" $(c && d)']),
        ("echo a\\ b\\;c", ["echo", "a b;c"]),
        ("echo $(a; (b) | c)x", ["echo", "$(a; (b) | c)x"]),
        ("echo ${a:-b c}d", ["echo", "${a:-b c}d"]),
        ("echo `a; b`", ["echo", "`a; b`"]),
        ("echo 'never ended", ["echo", "never ended"]),
        ('echo "never ended', ["echo", "never ended"]),
        ("echo $(never ended", ["echo", "$(never ended"]),
        ("a''b", ["ab"]),
    ],
)
def test_quotes_and_expansions_stay_one_word(script: str, words: list[str]) -> None:
    assert words_of(commands(text_of(script))) == [(words, "")]


@pytest.mark.parametrize(
    "script",
    ["a b >/dev/null", "a >x b 2>&1", "a b 2>>log", "a <in b", "a b &>all", "a b <<<word", "a > x b", "a b 1<>x"],
)
def test_redirections_are_no_words(script: str) -> None:
    assert words_of(commands(text_of(script))) == [(["a", "b"], "")]


@pytest.mark.parametrize(
    "script",
    [
        "A=1 B=$x apk add b",
        "sudo apk add b",
        "sudo -E apk add b",
        "env A=1 apk add b",
        "exec apk add b",
        "! apk add b",
        "if apk add b; then :; fi",
        "while apk add b; do :; done",
        "time nice nohup apk add b",
    ],
)
def test_what_stands_before_a_program_is_passed_over(script: str) -> None:
    assert words_of(commands(text_of(script)))[0][0] == ["apk", "add", "b"]


def test_a_loop_has_the_commands_inside() -> None:
    script = "for x in a b; do c $x; done; case $y in z) d;; esac; [ -f e ] && f"
    assert [words for words, _ in words_of(commands(text_of(script)))] == [
        ["c", "$x"],
        ["d"],
        ["[", "-f", "e", "]"],
        ["f"],
    ]


@pytest.mark.parametrize(
    ("instruction", "found"),
    [
        ("RUN sh -c 'a && b'", [["a"], ["b"]]),
        ('RUN bash -euxc "a; b"', [["a"], ["b"]]),
        ("RUN sh -c \"sh -c 'a; b'\"", [["a"], ["b"]]),
        ("RUN sh script.sh", [["sh", "script.sh"]]),
        ('CMD ["sh", "-c", "a & exec b"]', [["a"], ["b"]]),
        ('CMD ["a", "-c", "b; c"]', [["a", "-c", "b; c"]]),
        ("ENTRYPOINT a b", [["a", "b"]]),
        ("RUN python3 -m pip install x", [["pip", "install", "x"]]),
        ("RUN <<E\na\nb c\nE", [["a"], ["b", "c"]]),
        ("RUN <<E\n#!/bin/sh\na\nE", [["a"]]),
        ("RUN <<E\n#!/usr/bin/env python\nimport os\nE", []),
        ("RUN bash <<E\na\nE", [["bash"], ["a"]]),
        ("RUN python3 <<E\nimport os\nE", [["python3"]]),
        ("RUN cat <<E >x\na\nE", [["cat"]]),
        ("CMD []", []),
    ],
)
def test_an_instruction_runs_what_its_shell_is_given(instruction: str, found: list[list[str]]) -> None:
    assert called(instruction) == found


def test_words_remember_where_they_stand() -> None:
    source = Source("Dockerfile", "FROM a\nRUN one && \\\n    # two\n    sh -c 'three four'\n")
    first, second = commands_of(parse(source).statements[1])
    assert (first.span.text, str(first.span)) == ("one", "Dockerfile:2:5")
    assert (second.span.text, str(second.span)) == ("three four", "Dockerfile:4:12")


def test_a_command_knows_its_program_options_and_operands() -> None:
    [command] = commands(text_of("/usr/bin/apt-get -y install -t stable --root=/x curl"))
    assert command.program == "apt-get"
    assert command.has("-y") and command.has("--root") and not command.has("-t=stable", "-q")
    assert [word.value for word in command.operands()] == ["install", "stable", "curl"]
    assert [word.value for word in command.operands(frozenset(("-t",)))] == ["install", "curl"]
