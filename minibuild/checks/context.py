"""Checks of what is copied out of the build context, which they see through the subject's window."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator

from minibuild.checks.subject import Files, Subject, expanded, flag_of, words_of
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.errors import Finding
from minibuild.plan.steps import Step

_WILD = frozenset("*?[")
_ARCHIVE = re.compile(r"\.(tar|tgz|tbz2?|txz|tzst|gz|bz2|xz|zst)($|[.*?\[])", re.IGNORECASE)
_BIG_SIZE, _BIG_COUNT = 10_000_000, 1_000
# What stands beside sources and is of no use in an image: made anew there, or of the repository's own.
_BALLAST = (".git", ".hg", ".svn", "node_modules", ".venv", "venv", "__pycache__", ".tox", ".terraform", ".gradle")
_MOST_NAMED = 3


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


def adds_that_copy(subject: Subject) -> Iterator[Finding]:
    """AddForCopy: ADD downloads and unpacks; where neither is meant, COPY says so."""
    for step in subject.steps("ADD"):
        statement = step.statement
        if flag_of(statement, "unpack") is not None or any(flag.name == "unpack" for flag in statement.flags):
            continue
        sources = [path for _, path in context_sources(step)]
        # A wildcard at the end may stand for an archive, and a name of no use is what nobody could work out.
        if len(sources) == len(words_of(statement).sources) and not any(map(_may_unpack, sources)):
            message = "ADD of plain files does what COPY does, and unpacks those that turn out to be archives"
            keyword = "COPY" if statement.keyword_span.text.isupper() else "copy"
            hint = f"write {relined(statement, keyword)}"
            yield Finding("AddForCopy", message, statement.keyword_span, hint)


def _may_unpack(path: str) -> bool:
    return bool(_ARCHIVE.search(path)) or path.endswith("*")


def relined(statement: Statement, keyword: str, flag: str = "") -> str:
    """A statement on one line, as another keyword or with one more flag."""
    words = statement.original[len(statement.keyword) :].split()
    return " ".join([keyword, *filter(None, [flag]), *words])


def missing_ignore_files(subject: Subject) -> Iterator[Finding]:
    """NoDockerignore: all of a big context is copied, and nothing says what of it is meant."""
    if subject.window.ignore_file:
        return
    for step in subject.steps("COPY", "ADD"):
        for text, path in context_sources(step):
            if path in ("", "*") and (found := _burden(subject.window.files())):
                message, hint = found
                yield Finding("NoDockerignore", f"{step.statement.keyword} of {text} takes {message}", text.span, hint)
                return


def _burden(files: Files) -> tuple[str, str] | None:
    """What of a context is too much, and what to do about it; None where it is small and clean."""
    size, count = sum(files.sizes.values()), len(files.sizes)
    by_top = Counter[str]()
    for path, each in files.sizes.items():
        by_top[path.partition("/")[0]] += each
    ballast = [name for name in _BALLAST if name in by_top]
    if size < _BIG_SIZE and count < _BIG_COUNT and files.is_all and not ballast:
        return None
    heaviest = [name for name, _ in by_top.most_common(_MOST_NAMED)]
    shown = ", ".join(f"{name} {_human(by_top[name])}" for name in dict.fromkeys([*heaviest, *ballast]))
    least = "" if files.is_all else "at least "
    message = f"{least}{count:,} files, {_human(size)} ({shown}), for there is no ignore file"
    if ballast:
        return message, f"write a .dockerignore with what no image needs, a line each: {', '.join(ballast)}"
    return message, "leave out what the image doesn't need by a .dockerignore, or copy only what it needs"


def _human(size: int) -> str:
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size = round(size / 1000)
    return f"{size:,} GB"


def context_sources(step: Step) -> Iterator[tuple[Text, str]]:
    """The sources of a COPY or ADD that are the context's: the words, and what paths they are ("" for all of it)."""
    if flag_of(step.statement, "from") is not None:
        return
    for text in words_of(step.statement).sources:
        word = expanded(step.before, text)
        if word and "://" not in word and not word.startswith("git@"):
            yield text, posixpath.normpath("/" + word).lstrip("/")
