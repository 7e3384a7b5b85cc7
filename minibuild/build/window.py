"""The build context as checks see it."""

from __future__ import annotations

from functools import cache
from itertools import islice

from minibuild.build.context import DirectoryContext
from minibuild.build.ignore import IgnoreFile
from minibuild.checks import Files, Window
from minibuild.layers.entry import Kind

_MOST_ENTRIES = 20_000
"""As many as a look at a context takes in: less than a second's worth."""


def window_on(ignore: IgnoreFile, context: DirectoryContext | None = None) -> Window:
    """What checks may ask of a context with this ignore file; without one it has no files to show."""

    def ignored_by(path: str) -> str:
        # A directory that is left out is still there when a later "!" may bring back something below it.
        if not ignore.excludes(path) or ignore.may_descend(path):
            return ""
        line = ignore.deciding_line(path)
        return "" if line is None else f"{ignore.source.name} line {line} ({ignore.source.line(line).strip()})"

    @cache
    def files() -> Files:
        if context is None:
            return Files()
        entries = list(islice(context.walk(""), _MOST_ENTRIES + 1))
        # A further name of a file is no more to copy.
        sizes = {entry.path: entry.size for entry in entries if entry.kind is Kind.FILE}
        sizes |= {entry.path: 0 for entry in entries if entry.kind is Kind.HARDLINK}
        return Files(sizes, is_all=len(entries) <= _MOST_ENTRIES)

    return Window(ignored_by, ignore.source.name, files)
