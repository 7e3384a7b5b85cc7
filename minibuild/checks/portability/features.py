"""Features of Dockerfiles that not every builder has: where each is found, at the word that asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

from minibuild.checks.subject import Subject, mounts_of
from minibuild.dockerfile.statements import Flag, Statement
from minibuild.dockerfile.words import split_declarations
from minibuild.instructions.effects import CopyFiles, MakeDirectory, SourceRepository
from minibuild.plan.steps import Step
from minibuild.source import Span

Find: TypeAlias = Callable[[Subject], Iterator[Span]]

_PLATFORM = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT|OSVERSION)")
_OCTAL = re.compile(r"[0-7]+|.*\$.*")
# What follows the name in ${name…}, single-quoted words left out. \$ is no variable.
_EXPANSION = re.compile(r"'[^']*'|\\.|\$\{[A-Za-z_][A-Za-z0-9_]*(?P<modifier>:?[-+?#%/])")
_EXPANDING = frozenset(
    ("ADD", "ARG", "COPY", "ENV", "EXPOSE", "FROM", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")
)


def _statements(subject: Subject, keyword: str = "") -> Iterator[Statement]:
    """The statements of the file, and those inside ONBUILD."""
    for statement in subject.dockerfile.statements:
        for each in (statement, statement.trigger):
            if each is not None and keyword in ("", each.keyword):
                yield each


def _own_steps(subject: Subject) -> Iterator[Step]:
    return (step for stage in subject.plan.stages for step in subject.own_steps(stage))


def _flags(keyword: str, name: str, subject: Subject) -> Iterator[Flag]:
    return (flag for each in _statements(subject, keyword) for flag in each.flags if flag.name == name)


def _has_flag(keyword: str, name: str, subject: Subject) -> Iterator[Span]:
    return (flag.span for flag in _flags(keyword, name, subject))


def _letters(keyword: str, subject: Subject) -> Iterator[Span]:
    for flag in _flags(keyword, "chmod", subject):
        if flag.value and not _OCTAL.fullmatch(flag.value.value):
            yield flag.value.span


def _mounts(kind: str, key: str, subject: Subject) -> Iterator[Span]:
    """The mounts of a type, or those of it that have a key too."""
    for statement in _statements(subject, "RUN"):
        for text, keys in mounts_of(statement):
            if keys["type"] == kind and (not key or key in keys):
                yield text.span


def _keywords(keyword: str, subject: Subject) -> Iterator[Span]:
    return (each.keyword_span for each in _statements(subject, keyword))


def _heredocs(subject: Subject) -> Iterator[Span]:
    for statement in subject.dockerfile.statements:
        yield from (document.marker.span for document in statement.heredocs)


def _quoted_scripts(subject: Subject) -> Iterator[Span]:
    for statement in _statements(subject, "RUN"):
        documents = statement.heredocs
        if documents and not documents[0].expands and statement.body == documents[0].marker:
            yield documents[0].marker.span


def _modifiers(wanted: str, subject: Subject) -> Iterator[Span]:
    """Expansions with one of these modifiers, parted by blanks."""
    for statement in _statements(subject):
        texts = [statement.body] if statement.keyword in _EXPANDING else []
        texts += [flag.value for flag in statement.flags if flag.value and flag.name != "from"]
        for text in texts:
            for match in _EXPANSION.finditer(text.value):
                if match["modifier"] and match["modifier"] in wanted.split():
                    yield text.slice(match.start(), match.end()).span


def _shell_forms_under_shell(subject: Subject) -> Iterator[Span]:
    for step in _own_steps(subject):
        statement = step.statement
        if statement.keyword in ("CMD", "ENTRYPOINT") and statement.arguments is None and step.before.config.shell:
            yield statement.keyword_span


def _arguments_over_environment(subject: Subject) -> Iterator[Span]:
    for step in _own_steps(subject):
        if step.statement.keyword == "ARG":
            before, after = dict(step.before.config.environment), step.after.variables
            for name, _ in split_declarations(step.statement.body, step.statement.escape):
                if name.value in before and before[name.value] != after.get(name.value):
                    yield name.span


def _platform_arguments(subject: Subject) -> Iterator[Span]:
    for statement in _statements(subject, "ARG"):
        for name, default in split_declarations(statement.body, statement.escape):
            if default is None and _PLATFORM.fullmatch(name.value) and name.value not in subject.arguments:
                yield name.span


def _platforms_by_variables(subject: Subject) -> Iterator[Span]:
    for _, head in subject.heads():
        if head.platform and _PLATFORM.search(head.platform.value):
            yield head.platform.span


def _commands_below_volumes(subject: Subject) -> Iterator[Span]:
    for step in _own_steps(subject):
        if step.statement.keyword == "RUN":
            for volume in step.before.config.volumes:
                named = re.search(rf"(?<![\w./-]){re.escape(volume.rstrip('/'))}(?![\w.-])", step.statement.body.value)
                if named:
                    yield step.statement.body.slice(named.start(), named.end()).span


def _directories_of_users(subject: Subject) -> Iterator[Span]:
    for step in _own_steps(subject):
        if isinstance(step.effect, MakeDirectory) and step.effect.user.partition(":")[0] not in ("", "root", "0"):
            yield step.statement.body.span


def _repositories(subject: Subject) -> Iterator[Span]:
    for step in _own_steps(subject):
        if isinstance(step.effect, CopyFiles):
            found = (each.span for each in step.effect.sources if isinstance(each, SourceRepository))
            yield from filter(None, found)


def _idle_stages(subject: Subject) -> Iterator[Span]:
    stages, needed = subject.plan.stages, set[int]()
    new = [stage.index for stage in subject.targets()]
    while new:
        index = new.pop()
        needed.add(index)
        new += stages[index].needs - needed
    return (stage.base_span for stage in stages if stage.index not in needed) if needed else iter(())


def _ignore_files(subject: Subject) -> Iterator[Span]:
    if subject.window.ignore_file not in ("", ".dockerignore") and subject.dockerfile.statements:
        yield subject.dockerfile.statements[0].keyword_span


# In alphabetical order.
FEATURES: Mapping[str, Find] = MappingProxyType(
    {
        "<Dockerfile>.dockerignore": _ignore_files,
        "ADD --checksum": partial(_has_flag, "ADD", "checksum"),
        "ADD --chmod": partial(_has_flag, "ADD", "chmod"),
        "ADD --chmod with letters": partial(_letters, "ADD"),
        "ADD --exclude": partial(_has_flag, "ADD", "exclude"),
        "ADD --keep-git-dir": partial(_has_flag, "ADD", "keep-git-dir"),
        "ADD --link": partial(_has_flag, "ADD", "link"),
        "ADD --unpack": partial(_has_flag, "ADD", "unpack"),
        "ADD of a repository": _repositories,
        "ARG over ENV": _arguments_over_environment,
        "COPY --chmod": partial(_has_flag, "COPY", "chmod"),
        "COPY --chmod with letters": partial(_letters, "COPY"),
        "COPY --exclude": partial(_has_flag, "COPY", "exclude"),
        "COPY --link": partial(_has_flag, "COPY", "link"),
        "COPY --parents": partial(_has_flag, "COPY", "parents"),
        "FROM --platform by a variable of the platform": _platforms_by_variables,
        "HEALTHCHECK": partial(_keywords, "HEALTHCHECK"),
        "ONBUILD": partial(_keywords, "ONBUILD"),
        "RUN --mount": partial(_has_flag, "RUN", "mount"),
        "RUN --mount=type=bind,from=…": partial(_mounts, "bind", "from"),
        "RUN --mount=type=secret,env=…": partial(_mounts, "secret", "env"),
        "RUN --mount=type=ssh": partial(_mounts, "ssh", ""),
        "RUN --mount=type=tmpfs": partial(_mounts, "tmpfs", ""),
        "RUN --network": partial(_has_flag, "RUN", "network"),
        "RUN --security": partial(_has_flag, "RUN", "security"),
        "RUN below a VOLUME": _commands_below_volumes,
        "SHELL": partial(_keywords, "SHELL"),
        "WORKDIR under USER": _directories_of_users,
        "a shell form of CMD or ENTRYPOINT under SHELL": _shell_forms_under_shell,
        "a stage that the target doesn't need": _idle_stages,
        "a variable of the platform": _platform_arguments,
        "here-documents": _heredocs,
        "here-documents of RUN with a quoted name": _quoted_scripts,
        "parameters in ${variable-word}": partial(_modifiers, "- + ?"),
        "patterns in ${variable#pattern}": partial(_modifiers, "# %"),
        "replacing in ${variable/pattern/text}": partial(_modifiers, "/"),
    }
)
