"""What reading says of patterns is what those say who match them later."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from minibuild.build.ignore_patterns import rules_of
from minibuild.build.matching import component_expression
from minibuild.errors import MinibuildError
from minibuild.instructions.globs import fault_of

PATTERNS = st.lists(st.sampled_from(["a", "b", "é", "*", "?", "[", "]", "^", "-", "\\", "z"]), min_size=1, max_size=9)


@settings(max_examples=1000, deadline=None)
@given(PATTERNS.map("".join))
@example("[\\]-a]")
@example("[a-z-c]")
@example("[^]")
def test_a_pattern_is_at_fault_exactly_where_no_ignore_file_can_have_it(pattern: str) -> None:
    try:
        rules_of([pattern])
        refused = False
    except MinibuildError:
        refused = True
    assert (fault_of(pattern) is not None) is refused


@settings(max_examples=1000, deadline=None)
@given(PATTERNS.map("".join))
@example("[\\-]")
def test_a_pattern_without_a_fault_can_be_matched(pattern: str) -> None:
    if fault_of(pattern) is None:
        assert isinstance(component_expression(pattern), re.Pattern)
