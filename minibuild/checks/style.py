"""Checks of how single instructions are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from minibuild.dockerfile.statements import Dockerfile, Statement
from minibuild.errors import Finding
from minibuild.plan.steps import Plan


def inconsistent_casing(dockerfile: Dockerfile, _plan: Plan) -> Iterator[Finding]:
    """ConsistentInstructionCasing: keywords are written all in upper case or all in lower case."""
    written = [statement.keyword_span.text for statement in dockerfile.statements]
    lower, upper = sum(map(str.islower, written)), sum(map(str.isupper, written))
    wanted = str.lower if lower > upper else str.upper
    for statement, word in zip(dockerfile.statements, written, strict=True):
        if word != wanted(word):
            message = f"{word} is not in the case of the other instructions"
            yield Finding("ConsistentInstructionCasing", message, statement.keyword_span, f"write {wanted(word)}")


def shell_forms(dockerfile: Dockerfile, _plan: Plan) -> Iterator[Finding]:
    """JSONArgsRecommended: CMD and ENTRYPOINT in shell form leave signals to a shell, unless SHELL chose one."""
    shells = Counter[str]()
    for statement in dockerfile.statements:
        if statement.keyword == "FROM":
            shells.clear()
        shells[statement.keyword] += 1
        if statement.keyword in ("CMD", "ENTRYPOINT") and statement.arguments is None and not shells["SHELL"]:
            yield _shell_form(statement)


def _shell_form(statement: Statement) -> Finding:
    message = f"{statement.keyword} in shell form runs under a shell that passes no signals on"
    hint = f'write {statement.keyword} ["program", "argument"]'
    return Finding("JSONArgsRecommended", message, statement.keyword_span, hint)
