"""Comments that describe what stands below them: ``# name what it is for`` above the FROM or ARG of that name."""

from __future__ import annotations

from minibuild.dockerfile.statements import Statement


def comments_above(statement: Statement) -> tuple[str, ...]:
    """The comments right above a statement that may describe it; directives for checks don't."""
    return tuple(comment for comment in statement.comments if not comment.lower().startswith("check="))


def description_of(statement: Statement, name: str) -> str | None:
    """What the comments above say of a name, maybe ""; None where none begins with it."""
    for comment in comments_above(statement):
        word, _, description = comment.partition(" ")
        if name and word == name:
            return description.strip()
    return None
