"""The page for those who come from other builders: each of its rows says what the program does."""

from __future__ import annotations

import argparse
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from minibuild.cli.build_options import build_parser
from minibuild.cli.kaniko.flags import kaniko_parser
from minibuild.cli.parser import Noted, Parser, Refused, RefusedUnless
from tests.machine import require

HOME = Path(__file__).parent.parent
PAGE = (HOME / "fixtures/moving-in.md").read_text()
README = (HOME / "README.md").read_text()
BUILD = build_parser({})
SECTIONS = {
    "`docker build`, `docker buildx build`": BUILD,
    "`buildah build`, `podman build`": BUILD,
    "kaniko's executor": kaniko_parser({}),
}


def section(title: str) -> str:
    """The text under a heading."""
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> Mapping[str, str]:
    """What the table under a heading says of each option."""
    return dict(re.findall(r"^\| `(--[\w-]+)` \| (.*) \|$", section(title), re.MULTILINE))


def options(parser: Parser) -> Mapping[str, argparse.Action]:
    return {option: action for action in parser._actions for option in action.option_strings}


def told(action: argparse.Action) -> str:
    """What a row has to say of an option that isn't done; "" for one that is."""
    match action:
        case RefusedUnless(fine=fine, instead=instead):
            words = f"`{fine[0]}` is what is done; else refused: {instead}"
        case Refused(instead=instead):
            words = f"refused: {instead}"
        case Noted(reason=reason):
            words = f"no effect: {reason}"
        case _:
            return ""
    return words.replace("|", "\\|").replace("<", "\\<")


@pytest.mark.parametrize("title", SECTIONS)
def test_each_option_is_told_as_the_program_takes_it(title: str) -> None:
    known = options(SECTIONS[title])
    wrong = {name: words for name, words in rows(title).items() if told(known[name]) not in ("", words)}
    flattering = [
        name for name, words in rows(title).items() if not told(known[name]) and words.startswith("no effect")
    ]
    assert (wrong, flattering) == ({}, [])


@pytest.mark.parametrize("title", SECTIONS)
def test_the_options_that_take_others_places_exist(title: str) -> None:
    done = {name: words for name, words in rows(title).items() if not told(options(SECTIONS[title])[name])}
    named = {option for words in done.values() for option in re.findall(r"--[a-z][\w-]+", words)}
    assert named <= set(options(BUILD))


def test_an_option_that_is_the_same_is_one_of_builds_own() -> None:
    same = {name for title in SECTIONS for name, words in rows(title).items() if words.startswith("the same")}
    assert same <= set(options(BUILD))


def test_all_options_of_the_executor_are_told() -> None:
    ours = {"--root", "--debug", "--help"}
    assert (
        set(rows("kaniko's executor"))
        == {name for name in options(SECTIONS["kaniko's executor"]) if name.startswith("--")} - ours
    )


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("command", "title"),
    [
        (("docker", "build"), "`docker build`, `docker buildx build`"),
        (("buildah", "build"), "`buildah build`, `podman build`"),
        (("podman", "build"), "`buildah build`, `podman build`"),
    ],
    ids=lambda part: part[0] if isinstance(part, tuple) else "",
)
def test_all_options_of_the_other_program_are_told(command: Sequence[str], title: str) -> None:
    require(command[0])
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    theirs = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", shown.stdout + shown.stderr, re.MULTILINE))
    assert len(theirs) > 20
    assert theirs - {"--help"} <= set(rows(title))


def variables(text: str) -> Mapping[str, str]:
    """Each variable in a table's first column, and what its last says."""
    lines = re.findall(r"^\| (`[A-Z].*?) \|(?:.*\|)? (.*?) \|$", text, re.MULTILINE)
    return {name: words for names, words in lines for name in re.findall(r"`([A-Z]\w+)`", names)}


def code() -> str:
    """All of the program, and the libraries that read docker's variables for it."""
    libraries = "DOCKER_HOST DOCKER_CERT_PATH DOCKER_TLS_VERIFY"  # docker.from_env
    return "\n".join([libraries, *(path.read_text() for path in (HOME / "minibuild").rglob("*.py"))])


def test_the_variables_that_are_heeded_are_read_and_the_others_are_not() -> None:
    text = code()
    said = {**variables(section("Variables")), **variables(README.split("## Environment\n")[1].split("\n## ")[0])}
    proxies = {name for name in said if name.endswith("_PROXY")}
    idle = {name for name, words in said.items() if words.startswith(("no effect", "as if set"))}
    assert {name for name in set(said) - idle - proxies if name not in text} == set()
    assert {name for name in idle if re.search(rf'"{name}"', text)} == set()
