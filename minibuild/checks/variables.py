"""Checks of variables: secrets by their names, defaults that name no image, and which undefined ones are certain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import takewhile

from minibuild import instructions
from minibuild.checks.subject import Subject, expanded
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import split_declarations, split_pairs
from minibuild.errors import Finding, UsageError
from minibuild.instructions.base import StageState
from minibuild.oci import Platform, Reference
from minibuild.plan.scope import global_scope
from minibuild.plan.steps import Options, Stage, fold

# Source: BuildKit, dockerfile2llb/convert.go.
_SECRET = frozenset(
    ("apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token")
)
_NO_SECRET = frozenset(("public", "file", "version"))
_NEAR = 0.85
"""How like a defined name an undefined one must be to be a slip and not the base's."""


def is_secret(name: str) -> bool:
    """Whether a variable's name says that its value is a secret."""
    parts = set(name.lower().split("_"))
    return bool(parts & _SECRET) and not parts & _NO_SECRET


def secret_names(subject: Subject) -> Iterator[Finding]:
    """SecretsUsedInArgOrEnv: what stands in ARG or ENV can be read out of the image or its history."""
    for statement in subject.dockerfile.statements:
        for name in _declared(statement):
            if is_secret(name.value):
                message = f"{statement.keyword} {name} looks like a secret, and everyone who has the image can read it"
                hint = f"give it to the RUN that needs it: RUN --mount=type=secret,id={name.value.lower()}"
                yield Finding("SecretsUsedInArgOrEnv", message, name.span, hint)


def _declared(statement: Statement) -> Iterator[Text]:
    if statement.keyword == "ARG":
        yield from (name for name, _ in split_declarations(statement.body, statement.escape))
    elif statement.keyword == "ENV":
        yield from (name for name, _ in split_pairs(statement.body, statement.escape).pairs)


def invalid_defaults(subject: Subject) -> Iterator[Finding]:
    """InvalidDefaultArgInFrom: without any --build-arg, FROM would name no image."""
    scope = None
    for _, head in subject.heads():
        if "$" not in head.image.value:
            continue
        scope = scope or _defaults(subject)
        name = expanded(scope, head.image)
        if not _is_image(name):
            became = f"'{name}'" if name else "nothing"
            message = f"{head.image} is {became} with the defaults of its ARGs, which is no image's name"
            hint = "give the ARG a default above the first FROM"
            yield Finding("InvalidDefaultArgInFrom", message, head.image.span, hint)


def _defaults(subject: Subject) -> StageState:
    """The scope of FROM as it is without any --build-arg."""
    above = takewhile(lambda statement: statement.keyword != "FROM", subject.dockerfile.statements)
    placed = [(statement, instructions.parse(statement)) for statement in above if statement.keyword == "ARG"]
    stages = subject.plan.stages
    platform = stages[subject.plan.target].platform if stages else Platform.of_this_machine()
    begin = replace(global_scope(Options(platform=platform), ""), report=lambda _finding: None)
    steps = fold(begin, placed, 1, lambda _error: None)
    return replace(steps[-1].after if steps else begin, escape=subject.dockerfile.directives.get("escape", "\\"))


def _is_image(name: str) -> bool:
    try:
        Reference.parse(name)
    except UsageError:
        return False
    return bool(name)


def is_certain(finding: Finding, subject: Subject) -> bool:
    """Whether a finding holds whatever the bases are that nobody looked up: those may define variables."""
    if finding.rule != "UndefinedVar" or not subject.unknown or finding.span is None:
        return True
    stage = _stage_at(finding.span.start, subject)
    if stage is None or not subject.is_unknown(stage):
        return True
    near = finding.hint.removeprefix("did you mean ").removesuffix("?").lower()
    name = finding.span.text.lower()
    is_slip = sorted(near) == sorted(name) or SequenceMatcher(None, near, name).ratio() >= _NEAR
    return is_slip or finding.hint.startswith("ARG ")


def _stage_at(offset: int, subject: Subject) -> Stage | None:
    above = [stage for stage in subject.plan.stages if stage.base_span.start <= offset]
    return above[-1] if above else None
