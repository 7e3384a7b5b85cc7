"""Check of comments that describe: those right above FROM and ARG, which ``--call=outline`` shows."""

from __future__ import annotations

from collections.abc import Iterator

from minibuild.checks.subject import Subject
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import split_declarations
from minibuild.errors import Finding
from minibuild.instructions.stage import From
from minibuild.plan.descriptions import comments_above, description_of


def misplaced_comments(subject: Subject) -> Iterator[Finding]:
    """InvalidDefinitionDescription: ``# name what it is for`` above the FROM or ARG of that name."""
    for statement in subject.dockerfile.statements:
        for name in _defined(statement) if comments_above(statement) else ():
            if description_of(statement, name.value) is None:
                message = f"comment above {statement.keyword} does not start with {name}, which it would describe"
                hint = f"write # {name} and what it is for, or leave an empty line below the comment"
                yield Finding("InvalidDefinitionDescription", message, name.span, hint)


def _defined(statement: Statement) -> Iterator[Text]:
    if statement.keyword == "ARG":
        yield from (name for name, _ in split_declarations(statement.body, statement.escape))
    elif statement.keyword == "FROM" and (name := From.parse(statement).name):
        yield name
