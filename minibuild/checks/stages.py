"""Checks of stages: their names, and what may stand in each only once."""

from __future__ import annotations

from collections.abc import Iterator

from minibuild.checks.subject import Subject
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.words import split_words
from minibuild.errors import Finding

_ONCE = ("CMD", "ENTRYPOINT", "HEALTHCHECK")
_RESERVED = ("scratch", "context")


def casing_of_names(subject: Subject) -> Iterator[Finding]:
    """StageNameCasing: the name of a stage is in lower case, as it is kept."""
    for _, head in subject.heads():
        if head.name and head.name.value != head.stage_name:
            message = f"stage name {head.name} is kept in lower case"
            yield Finding("StageNameCasing", message, head.name.span, f"write {head.stage_name}")


def casing_of_as(subject: Subject) -> Iterator[Finding]:
    """FromAsCasing: AS is in the case of FROM."""
    for statement, head in subject.heads():
        word = split_words(statement.body)[1] if head.name else None
        if word and word.value.isupper() != statement.keyword_span.text.isupper():
            wanted = "AS" if statement.keyword_span.text.isupper() else "as"
            message = f"{word} is not in the case of {statement.keyword_span.text}"
            yield Finding("FromAsCasing", message, word.span, f"write {wanted}")


def duplicate_names(subject: Subject) -> Iterator[Finding]:
    """DuplicateStageName: no two stages have one name."""
    lines: dict[str, int] = {}
    for statement, head in subject.heads():
        if head.name and head.stage_name in lines:
            message = f"stage name {head.name} is that of line {lines[head.stage_name]} too"
            yield Finding("DuplicateStageName", message, head.name.span, "give each stage a name of its own")
        lines.setdefault(head.stage_name, statement.span.line)


def reserved_names(subject: Subject) -> Iterator[Finding]:
    """ReservedStageName: a stage isn't called what FROM and COPY understand otherwise."""
    for _, head in subject.heads():
        if head.name and head.stage_name in _RESERVED:
            message = f"stage name {head.name} means something of its own"
            yield Finding("ReservedStageName", message, head.name.span, "give the stage another name")


def repeated_instructions(subject: Subject) -> Iterator[Finding]:
    """MultipleInstructionsDisallowed: of several CMD, ENTRYPOINT or HEALTHCHECK in a stage only the last counts."""
    last: dict[str, Statement] = {}
    for statement in subject.dockerfile.statements:
        if statement.keyword == "FROM":
            last.clear()
        earlier = last.get(statement.keyword)
        if statement.keyword in _ONCE and earlier is not None:
            message = f"{statement.keyword} is given again on line {statement.span.line}, and only the last counts"
            yield Finding("MultipleInstructionsDisallowed", message, earlier.keyword_span, "remove this one")
        last[statement.keyword] = statement
