"""What is shown of a build, and when."""

from __future__ import annotations

import pytest

from minibuild.build.journal import Journal
from minibuild.errors import Finding
from minibuild.events import Event, Finished, Started, Warned


@pytest.fixture
def shown() -> list[Event]:
    """What a display got."""
    return []


def titles(events: list[Event]) -> list[tuple[int, str] | str]:
    """Events in a few words."""
    found: list[tuple[int, str] | str] = []
    for event in events:
        match event:
            case Started(number, title):
                found.append((number, title))
            case Finished(number, outcome):
                found.append((number, outcome))
            case Warned(finding):
                found.append(finding.rule)
            case _:
                raise AssertionError(event)
    return found


def test_what_is_held_is_shown_at_the_end_even_of_a_failure(shown: list[Event]) -> None:
    journal = Journal(shown.append)
    with pytest.raises(ValueError, match="x"), journal.holding(), journal.activity("step"):
        assert shown == []
        raise ValueError("x")
    assert titles(shown) == [(1, "step"), (1, "failed")]


def test_what_is_forgotten_never_was(shown: list[Event]) -> None:
    journal = Journal(shown.append)
    journal.warn(Finding("First", "is known"))
    with journal.holding() as forget:
        with journal.activity("only looked up"):
            journal.warn(Finding("Second", "is found again"))
        forget()
    with journal.activity("done"):
        journal.warn(Finding("First", "is known"))
        journal.warn(Finding("Second", "is found again"))
    assert titles(shown) == ["First", (1, "done"), "Second", (1, "done")]


def test_a_journal_goes_on_from_another(shown: list[Event]) -> None:
    first = Journal(shown.append)
    with first.activity("one"):
        first.warn(Finding("Rule", "once"))
    second = Journal(shown.append, first.numbering)
    with second.activity("two"):
        second.warn(Finding("Rule", "once"))
    assert titles(shown) == [(1, "one"), "Rule", (1, "done"), (2, "two"), (2, "done")]
