"""Every command's ``--help``, to the letter. ``MINIBUILD_UPDATE_GOLDEN=1`` writes the files anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minibuild.cli import COMMANDS
from minibuild.cli.main import run
from minibuild.cli.manifest import GROUP as MANIFEST
from minibuild.cli.storage import GROUP as STORAGE

GOLDEN = Path(__file__).parent / "help"
GROUPED = [f"manifest {command}" for command in MANIFEST] + [f"storage {command}" for command in STORAGE]


@pytest.mark.parametrize("command", ["minibuild", *COMMANDS, *GROUPED])
def test_help_says_what_it_always_said(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--help"] if command == "minibuild" else [*command.split(), "--help"]
    assert run(words, {}) == 0
    shown = capsys.readouterr().out
    golden = GOLDEN / f"{command.replace(' ', '-')}.txt"
    if os.environ.get("MINIBUILD_UPDATE_GOLDEN") == "1":
        golden.write_text(shown)
    assert shown == golden.read_text()


@pytest.mark.parametrize("words", [[], ["-h"], ["help"], ["--root", "/x", "--help"]], ids=" ".join)
def test_the_overview_is_shown_to_whoever_asks_for_nothing(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words, {}) == 0
    assert capsys.readouterr().out == (GOLDEN / "minibuild.txt").read_text()


def test_help_of_a_command_may_be_asked_for_first(capsys: pytest.CaptureFixture[str]) -> None:
    run(["help", "tag"], {})
    run(["help", "manifest", "create"], {})
    wanted = (GOLDEN / "tag.txt").read_text() + (GOLDEN / "manifest-create.txt").read_text()
    assert capsys.readouterr().out == wanted
