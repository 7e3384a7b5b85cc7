"""Checks of what is copied out of the build context, which they see through the subject's window."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from minibuild.checks.subject import Subject, expanded, flag_of, words_of
from minibuild.dockerfile.text import Text
from minibuild.errors import Finding
from minibuild.plan.steps import Step

_WILD = frozenset("*?[")


def ignored_sources(subject: Subject) -> Iterator[Finding]:
    """CopyIgnoredFile: a source that the ignore file leaves out isn't there to be copied."""
    if not subject.window.ignore_file:
        return
    for step in subject.steps("COPY", "ADD"):
        for text, path in context_sources(step):
            line = subject.window.ignored_by(path) if path and not _WILD & set(path) else ""
            if line:
                message = f"{step.statement.keyword} of {text}, which {line} leaves out"
                hint = f"take the pattern out of {subject.window.ignore_file}, or bring the file back by !{path}"
                yield Finding("CopyIgnoredFile", message, text.span, hint)


def context_sources(step: Step) -> Iterator[tuple[Text, str]]:
    """The sources of a COPY or ADD that are the context's: the words, and what paths they are ("" for all of it)."""
    if flag_of(step.statement, "from") is not None:
        return
    for text in words_of(step.statement).sources:
        word = expanded(step.before, text)
        if word and "://" not in word and not word.startswith("git@"):
            yield text, posixpath.normpath("/" + word).lstrip("/")
