"""Advice on secrets: files and words that everyone who has the image, or the Dockerfile, can read."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import zip_longest

from minibuild.checks.context import context_sources
from minibuild.checks.credentials import EXACT, is_directory, kind_of_file, tokens_in
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
            verb = "often holds" if kind.startswith("often ") else "holds"
            message = f"{path} {verb} {kind.removeprefix('often ')}, and stays in the layer even if it is deleted later"
            yield Finding("SecretsInLayers", message, text.span, _instead(path))
        elif found := _taken_along(path, subject):
            named = [f"{each} ({kind_of_file(each)})" for each in found[:_MOST_NAMED]]
            more = [f"{len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
            message = f"{step.statement.keyword} of {text} takes {_listed([*named, *more])} along"
            hint = f"leave them out, by a line each in .dockerignore: {', '.join(found[:_MOST_NAMED])}"
            yield Finding("SecretsInLayers", message, text.span, hint)


def _instead(path: str) -> str:
    name = path.rpartition("/")[2].lstrip(".")
    source = f"{path}/FILE" if is_directory(path) else path
    return f"give it to a RUN by --mount=type=secret,id={name}, and to the build by --secret id={name},src={source}"


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _taken_along(directory: str, subject: Subject) -> list[str]:
    """The files below a directory whose names leave no doubt."""
    prefix = f"{directory}/" if directory else ""
    below = (path for path in subject.window.files().sizes if path.startswith(prefix))
    return [path for path in below if kind_of_file(path) and posixpath.basename(path) in _CERTAIN]


# Many a .npmrc says only where packages are, and the last three names mean something in one directory alone.
_CERTAIN = frozenset(name.rpartition("/")[2] for name in EXACT) - {".npmrc", "config.json", "config", "credentials"}


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
