"""What a COPY or ADD takes: its patterns matched against where it copies from, and the fingerprint of that for the
key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from minibuild.build.matching import FileTree, has_wildcards, is_pattern, match
from minibuild.errors import ContextError, Finding, blame
from minibuild.instructions.effects import CopyFiles, SourcePath
from minibuild.layers.entry import Entry, Kind, Opener


class Content(NamedTuple):
    """A regular file to copy: its entry, what opens it, and what it shares with its hard links alone."""

    entry: Entry
    opener: Opener
    identity: object


@dataclass(frozen=True, slots=True)
class Selected:
    """One path that a source matched: ``entry`` is what it resolved to, ``below`` what a directory holds, in path
    order.
    """

    source: SourcePath
    path: str
    entry: Entry
    below: tuple[Entry, ...]
    tree: FileTree

    @property
    def name(self) -> str:
        """What it is called when it is put into a directory."""
        return self.path.rpartition("/")[2]

    def content(self, entry: Entry) -> Content:
        """A regular file or hard link of the selection, with what it holds."""
        # Hard links inside a directory stay links; files that were named one by one are copied one by one.
        identity = (id(self), entry.link or entry.path)
        return Content(entry._replace(kind=Kind.FILE, link="", offset=-1), self.tree.opener(entry), identity)

    def relative(self, entry: Entry) -> str:
        """A path below, as seen from the directory."""
        return entry.path[len(self.entry.path) + 1 :] if self.entry.path else entry.path


def select(
    effect: CopyFiles,
    tree: FileTree,
    *,
    explain_absence: Callable[[str], str],
    report: Callable[[Finding], None],
    absent: str = "is not in the context",
) -> tuple[Selected, ...]:
    """What the effect's sources match, in their order.

    A wildcard that matches nothing is reported and takes nothing; a plain path that isn't there raises ContextError
    with the hint that ``explain_absence`` gives.
    """
    selected: list[Selected] = []
    for source in effect.sources:
        with blame(source.span):
            found = match(tree, source.pattern)
            if not found and has_wildcards(source.pattern):
                report(Finding("NoMatch", f"{source.pattern} matches nothing, so nothing is copied", source.span))
            elif not found:
                raise ContextError(f"{source.pattern} {absent}", hint=explain_absence(source.pattern))
        selected += [Selected(source, path, entry, _below(tree, entry), tree) for path, entry in found]
    if len(selected) > 1 and not effect.destination.endswith("/"):
        raise _too_many(effect, selected)
    return tuple(selected)


def _too_many(effect: CopyFiles, selected: Sequence[Selected]) -> ContextError:
    names = ", ".join(one.path for one in selected[:3]) + (", …" if len(selected) > 3 else "")
    return ContextError(
        f"{effect.destination} is to take {len(selected)} sources ({names}), so it must be a directory",
        span=selected[0].source.span,
        hint=f"end it with a slash: {effect.destination}/",
    )


def _below(tree: FileTree, entry: Entry) -> tuple[Entry, ...]:
    return tuple(tree.walk(entry.path)) if entry.kind is Kind.DIRECTORY else ()


def fingerprint(selection: Sequence[Selected], digest: Callable[[Selected, Entry], str]) -> list[list[object]]:
    """What of the files a key depends on, one row a path: never times, and of the place only what shows in the
    result.
    """
    rows: list[list[object]] = []
    for selected in selection:
        name = selected.name if selected.entry.kind is not Kind.DIRECTORY or is_pattern(selected.source.pattern) else ""
        rows.append(_row(selected, selected.entry, name, digest))
        rows += (_row(selected, entry, f"{name}/{selected.relative(entry)}", digest) for entry in selected.below)
    return rows


def _row(selected: Selected, entry: Entry, path: str, digest: Callable[[Selected, Entry], str]) -> list[object]:
    is_file = entry.kind in (Kind.FILE, Kind.HARDLINK)
    return [
        path,
        Kind.FILE if is_file else entry.kind,
        entry.mode,
        entry.uid,
        entry.gid,
        digest(selected, entry) if is_file else entry.link,
        entry.device,
        {name: value.hex() for name, value in sorted(entry.xattrs.items())} if entry.xattrs else {},
    ]
