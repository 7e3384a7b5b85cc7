"""What a COPY or ADD takes: its patterns matched against where it copies from, and the fingerprint of that for the
key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from minibuild.build.context import DirectoryContext
from minibuild.build.filtering import content_of, matched_in
from minibuild.build.ignore import IgnoreFile
from minibuild.build.matching import FileTree, Match, has_wildcards, is_pattern
from minibuild.build.matching import match as match_pattern
from minibuild.errors import ContextError, Finding, blame
from minibuild.instructions.effects import (
    CopyFiles,
    CopySource,
    SourcePath,
    SourceRepository,
    SourceUrl,
)
from minibuild.layers.entry import NO_DEVICE, Entry, Kind, Opener
from minibuild.values import dataclass


class Content(NamedTuple):
    """A regular file to copy: its entry, what opens it, and what it shares with its hard links alone, None if it has
    none.
    """

    entry: Entry
    opener: Opener
    identity: object


def _nothing_fetched(source: SourceUrl | SourceRepository) -> tuple[FileTree, str]:
    raise ContextError("ADD of a URL or a git repository is not supported yet", span=source.span)


@dataclass(frozen=True, slots=True)
class Selected:
    """One path that a source matched: ``entry`` is what it resolved to, ``below`` what is copied of what a directory
    holds, in path order; ``passed`` are the paths among those of directories that are there for others' sake.
    """

    source: CopySource
    path: str
    entry: Entry
    below: tuple[Entry, ...]
    tree: FileTree
    passed: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """What it is called when it is put into a directory."""
        return self.path.rpartition("/")[2]

    @property
    def links(self) -> frozenset[str]:
        """The paths below that have hard links among the others."""
        return frozenset(entry.link for entry in self.below if entry.kind is Kind.HARDLINK)

    def content(self, entry: Entry, links: frozenset[str] = frozenset()) -> Content:
        """A regular file or hard link of the selection, with what it holds."""
        # Hard links inside a directory stay links; files that were named one by one are copied one by one.
        file = entry.link or entry.path
        return Content(entry, self.tree.opener(entry), (id(self), file) if file in links else None)

    def relative(self, entry: Entry) -> str:
        """A path below, as seen from the directory."""
        return entry.path[len(self.entry.path) + 1 :] if self.entry.path else entry.path


def select(
    effect: CopyFiles,
    tree: FileTree,
    *,
    explain_absence: Callable[[str], str],
    report: Callable[[Finding], None],
    fetch: Callable[[SourceUrl | SourceRepository], tuple[FileTree, str]] = _nothing_fetched,
    absent: str = "is not in the context",
) -> tuple[Selected, ...]:
    """What the effect's sources match, in their order.

    A wildcard that matches nothing is reported and takes nothing; a plain path that isn't there raises ContextError
    with the hint that ``explain_absence`` gives. ``fetch`` answers where the files of a URL or a repository are: a
    tree, and their path in it.
    """
    return _Selection(effect, tree, explain_absence, report, fetch, absent).select()


@dataclass(frozen=True, slots=True)
class _Selection:
    """What ``select`` was asked."""

    effect: CopyFiles
    tree: FileTree
    explain_absence: Callable[[str], str]
    report: Callable[[Finding], None]
    fetch: Callable[[SourceUrl | SourceRepository], tuple[FileTree, str]]
    absent: str

    def select(self) -> tuple[Selected, ...]:
        selected: list[Selected] = []
        for source in self.effect.sources:
            with blame(source.span):
                match source:
                    case SourcePath() if self.effect.keeps_parents:
                        selected += self._with_parents(source)
                    case SourcePath():
                        found = match_pattern(self.tree, source.pattern)
                        self._check_found(source, source.pattern, is_found=bool(found))
                        selected += [one for path, entry in found for one in self._one(source, path, entry, self.tree)]
                    case SourceUrl() | SourceRepository():
                        tree, path = self.fetch(source)
                        entry = tree.find(path)
                        assert entry is not None
                        selected += self._one(source, path, entry, tree)
        if len(selected) > 1 and not self.effect.destination.endswith("/"):
            raise _too_many(self.effect, selected)
        return tuple(selected)

    def _one(self, source: CopySource, path: str, entry: Entry, tree: FileTree) -> list[Selected]:
        excluded = self.effect.excluded
        if entry.kind is Kind.DIRECTORY:
            below, passed = content_of(tree, entry, excluded)
            if isinstance(tree, DirectoryContext) and tree.emptiness:
                self.report(Finding("NoMatch", "nothing is copied", source.span, tree.emptiness))
            return [Selected(source, path, entry, below, tree, passed)]
        name = path.rpartition("/")[2]
        # BuildKit's documentation says so; BuildKit itself asks only for what is below a directory.
        if excluded and IgnoreFile.of(excluded).excludes(name):
            self.report(Finding("NoMatch", f"{path} is left out by --exclude", source.span))
            return []
        return [Selected(source, path, entry, (), tree)]

    def _with_parents(self, source: SourcePath) -> list[Selected]:
        root = self.tree.find("")
        assert root is not None
        pivots = match_pattern(self.tree, source.pivot) if source.pivot else [Match("", root)]
        selected, is_found = [], False
        for path, entry in pivots:
            if entry.kind is not Kind.DIRECTORY:
                continue
            is_found = is_found or bool(matched_in(self.tree, entry, source.pattern, ()).below or not source.pattern)
            below, passed = matched_in(self.tree, entry, source.pattern, self.effect.excluded)
            if below or not source.pattern:
                selected.append(Selected(source, path, entry, below, self.tree, passed))
        whole = "/".join(filter(None, (source.pivot, source.pattern)))
        self._check_found(source, whole, is_found=is_found)
        return selected

    def _check_found(self, source: SourcePath, pattern: str, *, is_found: bool) -> None:
        if is_found:
            return
        if has_wildcards(pattern):
            literal = re.sub(r"[\[*?]", r"[\g<0>]", pattern) if self.tree.find(pattern) else ""
            hint = f"to copy the file of that very name, write {literal}" if literal else ""
            self.report(Finding("NoMatch", f"{pattern} matches nothing, so nothing is copied", source.span, hint))
        elif source.is_clamped and isinstance(self.tree, DirectoryContext):
            raise ContextError(
                f"{source.span.text if source.span else pattern} is outside the context",
                hint="name the directory: --build-context NAME=DIRECTORY and COPY --from=NAME, or build from above it",
            )
        else:
            raise ContextError(f"{pattern} {self.absent}", hint=self._hint(pattern))

    def _hint(self, path: str) -> str:
        if self.effect.keeps_parents and self.tree.find(path) is not None:
            return "a directory on the way is a symlink, and --parents follows none: leave the flag out, or name it"
        return self.explain_absence(path)


def _too_many(effect: CopyFiles, selected: Sequence[Selected]) -> ContextError:
    names = ", ".join(one.path for one in selected[:3]) + (", …" if len(selected) > 3 else "")
    return ContextError(
        f"{effect.destination} is to take {len(selected)} sources ({names}), so it must be a directory",
        span=selected[0].source.span,
        hint=f"end it with a slash: {effect.destination}/",
    )


def fingerprint(selection: Sequence[Selected], read: Callable[[int], None]) -> list[list[object]]:
    """What of the files a key depends on, one row a path: never times, and of the place only what shows in the
    result. ``read`` is told of bytes that were looked at.
    """
    rows: list[list[object]] = []
    for selected in selection:
        digest, start = selected.tree.digest, len(selected.entry.path) + 1 if selected.entry.path else 0
        name = selected.name if selected.entry.kind is not Kind.DIRECTORY or _is_pattern(selected.source) else ""
        rows.append(_row(selected.entry, name, digest))
        read(selected.entry.size)
        for entry in selected.below:
            rows.append(_row(entry, f"{name}/{entry.path[start:]}", digest))
            read(entry.size)
    return rows


def _is_pattern(source: CopySource) -> bool:
    return isinstance(source, SourcePath) and is_pattern(source.pivot or source.pattern)


def _row(entry: Entry, path: str, digest: Callable[[Entry], str]) -> list[object]:
    """Four columns, and four more where any of them says something: most are files of root's with nothing special."""
    _, kind, mode, uid, gid, _, _, link, device, xattrs, _, _ = entry
    is_file = kind is Kind.FILE or kind is Kind.HARDLINK
    row = [path, Kind.FILE, mode, digest(entry)] if is_file else [path, kind, mode, link]
    if uid or gid or xattrs or device != NO_DEVICE:
        row += (uid, gid, device, {name: value.hex() for name, value in sorted(xattrs.items())})
    return row
