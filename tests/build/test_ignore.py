"""Which paths an ignore file leaves out, why, and how long it takes to say so."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.build.ignore import NOTHING_IGNORED, IgnoreFile
from minibuild.errors import ContextError
from minibuild.source import Source
from tests.pace import is_done_within

TABLE = Path(__file__).parent.parent.parent / "fixtures" / "ignore.tsv"


def ignore_file(text: str) -> IgnoreFile:
    return IgnoreFile.parse(Source(".dockerignore", text))


def rows(columns: int) -> list[tuple[str, ...]]:
    lines = [line for line in TABLE.read_text().split("\n") if line and not line.startswith("# ")]
    return [row for line in lines if len(row := tuple(line.split("\t"))) == columns]


@pytest.mark.parametrize(("lines", "ignored", "kept"), rows(3))
def test_an_ignore_file_leaves_out_what_the_table_says(lines: str, ignored: str, kept: str) -> None:
    file = ignore_file(lines.replace("⏎", "\n"))
    paths = [*ignored.split(), *kept.split()]
    assert [path for path in paths if file.excludes(path)] == ignored.split()


@pytest.mark.parametrize(("lines", "message"), rows(2))
def test_an_ignore_file_is_refused_as_the_table_says(lines: str, message: str) -> None:
    with pytest.raises(ContextError) as caught:
        ignore_file(lines.replace("⏎", "\n"))
    assert str(caught.value) == message


def test_an_error_points_at_the_pattern_in_its_line() -> None:
    with pytest.raises(ContextError) as caught:
        ignore_file("a\n  ! \n[x\n")
    assert caught.value.span is not None
    assert caught.value.span.excerpt() == "2 |   ! \n  |   ^"
    assert [str(other) for other in caught.value.others] == ["pattern [x has a [ without its ]"]


def test_windows_line_ends_do_not_belong_to_patterns() -> None:
    assert ignore_file("foo\r\nbar\r\n").excludes("foo")


@pytest.mark.parametrize(
    ("lines", "path", "line"),
    [
        ("# c\n\n*.py", "a.py", 3),
        ("*.py\n!a.py", "a.py", 2),
        ("*.py\n!a.py", "b.py", 1),
        ("x\na\nb", "a/b/c", 2),
        ("a\n!a/b\na/b/c", "a/b/c/d", 3),
        ("a*\n*a", "aa", 1),
        ("*.py", "a.txt", None),
        ("!a", "a", None),
    ],
)
def test_the_deciding_line_is_that_of_the_rule_that_spoke_last(lines: str, path: str, line: int | None) -> None:
    assert ignore_file(lines).deciding_line(path) == line


@pytest.mark.parametrize(
    ("lines", "directory", "expected"),
    [
        ("a", "b", True),
        ("a", "a", False),
        ("a\n!b", "a", False),
        ("a\n!a/b", "a", True),
        ("a\n!a/b/c", "a/b", True),
        ("a\n!a/b/c", "a/x", False),
        ("!a/b\na", "a", False),
        ("a\n!**/*.md", "a/x/y", True),
        ("*\n!*.md", "a", False),
        ("*\n!*/*.md", "a", True),
        ("*\n!*/*.md", "a/b", False),
        ("*\n!a?/[xy]/z", "ab/x", True),
        ("*\n!a?/[xy]/z", "ab/w", False),
    ],
)
def test_an_ignored_directory_is_walked_only_if_something_below_may_come_back(
    lines: str, directory: str, expected: bool
) -> None:
    assert ignore_file(lines).may_descend(directory) is expected


def test_what_may_not_be_descended_into_has_nothing_to_bring_back() -> None:
    file = ignore_file("**\n!a/**/k\n!b/k*/[xy]\n!c\nc/d\n!c/d/e")
    directories = ["a", "b", "c", "a/a", "b/k", "b/a", "c/d", "c/d/a", "d"]
    for directory in directories:
        below = [f"{directory}/{rest}" for rest in ("k", "x", "e", "k/x", "a/k", "d/e", "d/x", "a/b/k")]
        assert file.may_descend(directory) or all(file.excludes(path) for path in below), directory


def test_nothing_ignored_keeps_everything() -> None:
    assert not NOTHING_IGNORED.excludes("a/b")
    assert NOTHING_IGNORED.may_descend("a")
    assert NOTHING_IGNORED.deciding_line("a") is None


def test_the_root_itself_is_never_left_out() -> None:
    assert not ignore_file("**").excludes("")


def test_a_name_that_is_not_utf8_is_matched_like_any_other() -> None:
    name = b"caf\xe9.md".decode("utf-8", "surrogateescape")
    assert ignore_file("caf?.md").excludes(name)


@pytest.mark.parametrize("pattern", ["*?" * 60 + "x", "**/" * 60 + "x", "*a" * 100 + "b", "**/*a" * 50 + "b"])
def test_no_pattern_makes_a_path_slow(pattern: str) -> None:
    file = ignore_file(pattern)
    paths = ["a" * 4000, "/".join("a" * 2000)]
    assert not any(map(file.excludes, paths))
    assert is_done_within(2, lambda: any(map(file.excludes, paths)))


def test_fifty_thousand_paths_take_a_moment() -> None:
    file = ignore_file("node_modules\n.git\n**/*.pyc\n*.log\n!keep.log\ndocs/**\n!docs/README.md\n")
    paths = [f"dir{i % 100}/sub{i % 37}/file{i}.py" for i in range(50_000)]
    assert not any(map(file.excludes, paths))
    assert is_done_within(1, lambda: any(map(file.excludes, paths)))


def test_two_hundred_patterns_cost_little_more_than_a_few() -> None:
    shapes = ("**/file{i}*.log", "dir{i}*/**/sub{i}?x", "!dir{i}/[a-f]*{i}.py", "**/sub{i}/**/*{i}.md")
    patterns = [shapes[i % 4].format(i=i) for i in range(200)]
    file = ignore_file("\n".join(patterns))
    paths = [f"dir{i % 100}/sub{i % 37}/file{i}.py" for i in range(20_000)]
    assert not any(map(file.excludes, paths))
    assert is_done_within(1, lambda: any(map(file.excludes, paths)))
