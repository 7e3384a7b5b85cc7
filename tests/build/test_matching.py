"""Wildcards match as Go's filepath.Match does, component by component, and in linear time."""

from __future__ import annotations

import pytest

from minibuild.build.matching import component_expression, is_pattern
from minibuild.errors import DockerfileError
from tests.pace import is_done_within


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "", True),
        ("*", ".hidden", True),
        ("*.js", "a.js", True),
        ("*.js", "a.json", False),
        ("*.js*", "a.json", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a*b*c", "aXbYbZc", True),
        ("a*b*c", "aXc", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("[!a]x", "!x", True),
        ("[!a]x", "bx", False),
        ("[[]x", "[x", True),
        (r"\*", "*", True),
        (r"\*", "a", False),
        (r"[\]]", "]", True),
        ("*ab*ab", "abab", True),
        ("*ab*ab", "ab", False),
        ("a.c", "abc", False),
        ("*\n", "a\n", True),
    ],
)
def test_a_component_matches(pattern: str, name: str, matches: bool) -> None:
    assert (component_expression(pattern).fullmatch(name) is not None) == matches


@pytest.mark.parametrize("pattern", ["[", "[a", "a\\", "[]", "[b-a]", "[a-]", "[-a]"])
def test_a_malformed_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(DockerfileError):
        component_expression(pattern)


def test_many_stars_take_linear_time() -> None:
    expression = component_expression("*a" * 100 + "b")
    assert not expression.fullmatch("a" * 5000)
    assert is_done_within(1, lambda: expression.fullmatch("a" * 5000))


def test_a_plain_name_is_no_pattern() -> None:
    assert not is_pattern("src/app-1.0_x.py")
