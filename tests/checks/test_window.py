"""The window on a context: which files it has, asked for when a check wants to know, and not beyond a number."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.build import window
from minibuild.build.context import DirectoryContext
from minibuild.build.ignore import NOTHING_IGNORED, IgnoreFile
from minibuild.build.window import window_on
from minibuild.checks import Files, examine
from minibuild.checks.advice import ADVICE
from minibuild.source import Source
from tests.checks.subjects import subject_of

COPY_ALL = "FROM a\nCOPY . /srv\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context with three files, one of them a second name of another, and a symlink."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a").write_bytes(b"12345")
    (tmp_path / "src" / "b").hardlink_to(tmp_path / "src" / "a")
    (tmp_path / "c").write_bytes(b"1")
    (tmp_path / "link").symlink_to("c")
    return tmp_path


def test_a_window_shows_the_regular_files_that_are_not_ignored(context: Path) -> None:
    ignore = IgnoreFile.parse(Source(".dockerignore", "c\n"))
    shown = window_on(ignore, DirectoryContext(context, ignore))
    assert shown.files() == Files({"src/a": 5, "src/b": 0})
    assert (shown.ignore_file, shown.ignored_by("c")) == (".dockerignore", ".dockerignore line 1 (c)")


def test_a_window_without_a_context_shows_no_files() -> None:
    assert window_on(NOTHING_IGNORED).files() == Files()


def test_the_context_is_looked_at_when_it_is_asked_for_and_once(context: Path) -> None:
    shown = window_on(NOTHING_IGNORED, DirectoryContext(context))
    (context / "c").unlink()
    assert shown.files() is shown.files()
    assert set(shown.files().sizes) == {"src/a", "src/b"}


def test_a_look_ends_at_a_number_of_entries(context: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "_MOST_ENTRIES", 2)
    seen = window_on(NOTHING_IGNORED, DirectoryContext(context))
    assert not seen.files().is_all
    [finding] = [each for each in examine(subject_of(COPY_ALL, seen), ADVICE) if each.rule == "NoDockerignore"]
    assert finding.message.startswith("COPY of . takes at least ")


def test_many_small_files_are_a_big_context_too(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / str(number)).touch()
    seen = window_on(NOTHING_IGNORED, DirectoryContext(tmp_path))
    [finding] = examine(subject_of(COPY_ALL, seen), ADVICE)
    assert finding.message.startswith("COPY of . takes 1,000 files, 0 bytes (")
