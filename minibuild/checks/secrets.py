"""Advice on secrets: files and words that everyone who has the image, or the Dockerfile, can read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import zip_longest

from minibuild.checks.context import context_sources
from minibuild.checks.credentials import EXACT, kind_of_file, tokens_in
from minibuild.checks.shell import commands_of
from minibuild.checks.subject import Subject
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.errors import Finding
from minibuild.plan.steps import Step

_MOST_NAMED = 3
_USERS = {"curl": ("-u", "--user"), "wget": ("--password", "--http-password", "--ftp-password")}


def secrets_in_layers(subject: Subject) -> Iterator[Finding]:
    """SecretsInLayers: a layer keeps what was once in it, and a Dockerfile is read by many."""
    for stage in subject.shipped():
        for step in subject.own_steps(stage):
            if step.statement.keyword in ("COPY", "ADD"):
                yield from _copied(step, subject)
    for statement in subject.dockerfile.statements:
        yield from _written(statement)


def _copied(step: Step, subject: Subject) -> Iterator[Finding]:
    for text, path in context_sources(step):
        if kind := kind_of_file(path):
            message = f"{path} holds {kind}, and stays in the layer even if a later RUN deletes it"
            name = path.rpartition("/")[2].lstrip(".")
            hint = f"give it to the RUN that needs it by --mount=type=secret,id={name}"
            yield Finding(
                "SecretsInLayers", message, text.span, f"{hint}, and build with --secret id={name},src={path}"
            )
        elif found := _taken_along(path, subject):
            names = ", ".join(found[:_MOST_NAMED])
            more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
            message = f"{step.statement.keyword} of {text} takes {names}{more} along, which {_held(found)}"
            hint = f"leave them out: add {' and '.join(found[:_MOST_NAMED])} to .dockerignore"
            yield Finding("SecretsInLayers", message, text.span, hint)


def _taken_along(directory: str, subject: Subject) -> list[str]:
    """The files below a directory whose names leave no doubt."""
    prefix = f"{directory}/" if directory else ""
    below = (path for path in subject.window.files().sizes if path.startswith(prefix))
    # Many a .npmrc and .env of a test is harmless; keys and passwords of one's own account are not.
    return [path for path in below if kind_of_file(path) and posixpath.basename(path) in _CERTAIN]


_CERTAIN = frozenset(name.rpartition("/")[2] for name in EXACT) - {".npmrc", "config.json", "config", "credentials"}


def _held(found: list[str]) -> str:
    kinds = dict.fromkeys(kind_of_file(path) for path in found)
    return f"hold{'s' if len(found) == 1 else ''} {' and '.join(kinds)}"


def _written(statement: Statement) -> Iterator[Finding]:
    for text in (statement.body, *(flag.value for flag in statement.flags if flag.value), *_documents(statement)):
        for start, end, kind in tokens_in(text.value):
            yield _readable(text.slice(start, end), kind, statement)
    if statement.keyword == "RUN":
        yield from _passwords(statement)


def _documents(statement: Statement) -> Iterator[Text]:
    return (document.text for document in statement.heredocs)


def _passwords(statement: Statement) -> Iterator[Finding]:
    """Passwords given to curl and wget as words."""
    for command in commands_of(statement):
        options = _USERS.get(command.program, ())
        for word, following in zip_longest(command.arguments, command.arguments[1:]):
            name, equals, value = word.value.partition("=")
            said = word if equals else following
            value = value if equals else following.value if following else ""
            if name not in options or said is None or set("$`") & set(value):
                continue
            if command.program == "wget" or ":" in value:
                yield _readable(said.text, "a password", statement)


def _readable(text: Text, kind: str, statement: Statement) -> Finding:
    who = "everyone who has the Dockerfile"
    if statement.keyword not in ("FROM", "ONBUILD"):
        who = f"{who} or the image's history"
    message = f"{statement.keyword} holds {kind}, which {who} can read"
    hint = "take it out and have it revoked; what needs it gets it by RUN --mount=type=secret,id=NAME,env=VARIABLE"
    return Finding("SecretsInLayers", message, text.span, hint)
