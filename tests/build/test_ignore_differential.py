"""Our ignore files against another port of moby's matcher, over random files and paths."""

from __future__ import annotations

import posixpath
import random

import pytest
from e2b_dockerfile_utils import PatternMatcher

from minibuild.build.ignore import IgnoreFile
from minibuild.errors import ContextError
from minibuild.source import Source

PIECES = ["a", "b", "ab", ".", "x", "/", "/", "*", "**", "**/", "?", "[ab]", "[^a]", "[a-c]", "\\*", "!", "[", " ", "é"]
NAMES = ["a", "b", "ab", "ba", "x", "a.b", ".a", "*", "!", "[", "xx", "é", "a b"]
FILES = 3000
PATHS = 10


def random_lines(chance: random.Random) -> list[str]:
    def pattern() -> str:
        bang = "!" if chance.random() < 0.3 else ""
        return bang + "".join(chance.choices(PIECES, k=chance.randint(1, 6)))

    return [pattern() for _ in range(chance.randint(1, 5))]


def random_path(chance: random.Random) -> str:
    return "/".join(chance.choices(NAMES, k=chance.randint(1, 4)))


def ours(lines: list[str]) -> IgnoreFile | None:
    try:
        return IgnoreFile.parse(Source(".dockerignore", "\n".join(lines)))
    except ContextError:
        return None


def theirs(lines: list[str]) -> PatternMatcher | None:
    # It takes "!/", which moby refuses as an illegal exclusion pattern.
    brought_back = [line.strip()[1:].strip() for line in lines if line.strip().startswith("!")]
    if any(pattern.startswith("/") and posixpath.normpath("/" + pattern.strip("/")) == "/" for pattern in brought_back):
        return None
    try:
        return PatternMatcher(lines)
    except ValueError:
        return None


@pytest.mark.filterwarnings("ignore:Possible nested set")  # how the other one compiles "[[" with re
@pytest.mark.parametrize("seed", range(3))
def test_both_matchers_agree(seed: int) -> None:
    chance = random.Random(seed)
    compared = 0
    for _ in range(FILES):
        lines = random_lines(chance)
        mine, other = ours(lines), theirs(lines)
        assert (mine is None) == (other is None), lines
        if mine is None or other is None:
            continue
        for path in (random_path(chance) for _ in range(PATHS)):
            assert mine.excludes(path) is other.matches(path), (lines, path)
            compared += 1
    assert compared > 7_000


def test_no_directory_is_passed_over_that_holds_something_to_keep() -> None:
    chance = random.Random(7)
    for _ in range(2000):
        mine = ours(random_lines(chance))
        if mine is None:
            continue
        for path in (random_path(chance) for _ in range(PATHS)):
            ancestors = [path[:i] for i, character in enumerate(path) if character == "/"]
            assert mine.excludes(path) or all(map(mine.may_descend, ancestors)), path
