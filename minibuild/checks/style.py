"""Checks of how single instructions are written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from minibuild.checks.subject import Subject
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.words import split_words
from minibuild.errors import Finding

# What means the same to a shell and without one.
_PLAIN_COMMAND = re.compile(r"[\w./:@%+,-][\w./:@%+,= -]*")
_BUILT_IN = frozenset(("exec", "cd", "set", "export", "source", ".", "eval", "ulimit", "umask", ":", "trap", "wait"))


def inconsistent_casing(subject: Subject) -> Iterator[Finding]:
    """ConsistentInstructionCasing: keywords are written all in upper case or all in lower case."""
    statements = subject.dockerfile.statements
    written = [statement.keyword_span.text for statement in statements]
    lower, upper = sum(map(str.islower, written)), sum(map(str.isupper, written))
    wanted = str.lower if lower > upper else str.upper
    for statement, word in zip(statements, written, strict=True):
        if word != wanted(word):
            message = f"{word} is not in the case of the other instructions"
            yield Finding("ConsistentInstructionCasing", message, statement.keyword_span, f"write {wanted(word)}")


def shell_forms(subject: Subject) -> Iterator[Finding]:
    """JSONArgsRecommended: CMD and ENTRYPOINT in shell form leave signals to a shell, unless SHELL chose one."""
    stages = iter(subject.plan.stages)
    has_shell = False
    for statement in subject.dockerfile.statements:
        if statement.keyword == "FROM":
            stage = next(stages, None)
            has_shell = bool(stage and stage.steps and stage.steps[0].after.config.shell)
        elif statement.keyword == "SHELL":
            has_shell = True
        elif statement.keyword in ("CMD", "ENTRYPOINT") and statement.arguments is None and not has_shell:
            yield _shell_form(statement)


def _shell_form(statement: Statement) -> Finding:
    message = f"{statement.keyword} in shell form runs under a shell that passes no signals on"
    is_plain = _PLAIN_COMMAND.fullmatch(statement.body.value) and statement.body.value.split()[0] not in _BUILT_IN
    hint = f'write {statement.keyword} ["program", "argument"], or say SHELL above it if a shell is meant'
    if is_plain:
        hint = f"write {statement.keyword} {json.dumps(statement.body.value.split(), ensure_ascii=False)}"
    return Finding("JSONArgsRecommended", message, statement.keyword_span, hint)


def casing_of_protocols(subject: Subject) -> Iterator[Finding]:
    """ExposeProtoCasing: the protocol of a port is in lower case, as it is kept."""
    for statement in subject.dockerfile.statements:
        if statement.keyword != "EXPOSE":
            continue
        for word in split_words(statement.body):
            port, slash, protocol = word.value.partition("/")
            if slash and "$" not in protocol and protocol != protocol.lower():
                message = f"protocol {protocol} is kept in lower case"
                yield Finding("ExposeProtoCasing", message, word.span, f"write {port}/{protocol.lower()}")
