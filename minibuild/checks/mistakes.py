"""Checks of what can be read, and hardly means what it was written for: Docker passes over all of it in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from minibuild.checks.subject import Subject, words_of
from minibuild.dockerfile.parse import KEYWORDS
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.words import comment_hint, split_quoted, split_words
from minibuild.errors import Finding
from minibuild.instructions.effects import CopyFiles, SourceRepository

_ESCAPE_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*escape[ \t]*=[ \t]*`[ \t\r]*", re.IGNORECASE)
# A shell reads the others, and to it a "#" behind a blank is the start of a comment.
_WITHOUT_COMMENTS = frozenset(
    ("ADD", "ARG", "COPY", "ENV", "EXPOSE", "FROM", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")
)
_FOREIGN_BYTE = re.compile("[\udc80-\udcff]")
_FLAG = re.compile(r"--[a-z]+(?:-[a-z]+)*(?:=|$)")


def comments_inside(subject: Subject) -> Iterator[Finding]:
    """CommentInInstruction: a ``#`` of its own behind other words is a word too, and those behind it are."""
    for statement in subject.dockerfile.statements:
        if statement.keyword not in _WITHOUT_COMMENTS or statement.arguments is not None:
            continue
        for word in split_quoted(statement.body, statement.escape)[1:]:
            if word.value == "#":
                message = f"# and what follows it are no comment, but words of {statement.keyword}"
                yield Finding("CommentInInstruction", message, word.span, comment_hint([word]))
                break


def late_directives(subject: Subject) -> Iterator[Finding]:
    """MisplacedDirective: an escape directive below a comment or a blank line is a comment itself."""
    source = subject.dockerfile.source
    if "escape" in subject.dockerfile.directives or not subject.dockerfile.statements:
        return
    for number in range(1, subject.dockerfile.statements[0].span.line):
        line = source.line(number)
        if _ESCAPE_DIRECTIVE.fullmatch(line):
            start = source.line_starts[number - 1]
            message = "escape directive stands too low, and is a comment there"
            hint = "directives are the first lines of a file, with no comment and no blank line above them"
            yield Finding("MisplacedDirective", message, source.span(start, start + len(line)), hint)


def misplaced_flags(subject: Subject) -> Iterator[Finding]:
    """MisplacedFlag: what looks like a flag behind the first word of a body is a word like any other."""
    for statement in subject.dockerfile.statements:
        if statement.keyword in ("ADD", "COPY") and statement.arguments is None:
            yield from _flags_behind(statement, "a path")
        elif statement.keyword == "HEALTHCHECK":
            yield from _flags_behind(statement, "part of the command")


def _flags_behind(statement: Statement, what: str) -> Iterator[Finding]:
    words = split_words(statement.body)
    later = words[1:2] if statement.keyword == "HEALTHCHECK" else words_of(statement).sources[1:]
    for word in later:
        if _FLAG.match(word.value):
            message = f"{word} is no flag there, but {what}"
            yield Finding("MisplacedFlag", message, word.span, f"flags come first: {statement.keyword} {word} …")


def swallowed_instructions(subject: Subject) -> Iterator[Finding]:
    """SwallowedInstruction: a line that begins like an instruction goes on with the one above, which ends so."""
    source = subject.dockerfile.source
    for statement in subject.dockerfile.statements:
        for number in range(statement.span.line + 1, statement.body.span.last_line + 1):
            word = source.line(number).partition(" ")[0]
            if word in KEYWORDS and len(word) < len(source.line(number)):
                start = source.line_starts[number - 1]
                message = f"{word} is no instruction there, but goes on with the line above"
                hint = f"take {statement.escape} from the end of that line"
                yield Finding("SwallowedInstruction", message, source.span(start, start + len(word)), hint)


def other_encodings(subject: Subject) -> Iterator[Finding]:
    """NotUtf8: a byte that isn't UTF-8 is kept for files and commands, and lost in the image's configuration."""
    for statement in subject.dockerfile.statements:
        if byte := _FOREIGN_BYTE.search(statement.body.value):
            message = f"byte {ord(byte[0]) - 0xDC00:#04x} is not UTF-8, and a configuration keeps \ufffd in its place"
            hint = "save the file as UTF-8, or: iconv -f LATIN1 -t UTF-8"
            yield Finding("NotUtf8", message, statement.body.slice(*byte.span()).span, hint)


def idle_flags(subject: Subject) -> Iterator[Finding]:
    """IdleFlag: --keep-git-dir is about repositories, and there is none among the sources."""
    for step in subject.steps("ADD"):
        assert isinstance(step.effect, CopyFiles)
        if any(isinstance(source, SourceRepository) for source in step.effect.sources):
            continue
        for flag in step.statement.flags:
            if flag.name == "keep-git-dir" and (flag.value is None or flag.value.value.lower() == "true"):
                message = "--keep-git-dir is for git repositories, and no source is one"
                yield Finding("IdleFlag", message, flag.span, "leave it out")


def empty_users(subject: Subject) -> Iterator[Finding]:
    """EmptyUser: a USER whose variables hold nothing leaves everything to root."""
    for step in subject.steps("USER"):
        if not step.after.config.user and not subject.is_up_to_base(step):
            message = "USER is empty once its variables are replaced, so root runs what follows"
            yield Finding("EmptyUser", message, step.statement.body.span, "give its ARG a default: ARG APP_USER=app")
