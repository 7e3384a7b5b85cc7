"""The build context as checks see it."""

from __future__ import annotations

from minibuild.build.ignore import IgnoreFile
from minibuild.checks import Window


def window_on(ignore: IgnoreFile) -> Window:
    """What checks may ask of a context with this ignore file."""

    def ignored_by(path: str) -> str:
        # A directory that is left out is still there when a later "!" may bring back something below it.
        if not ignore.excludes(path) or ignore.may_descend(path):
            return ""
        line = ignore.deciding_line(path)
        return "" if line is None else f"{ignore.source.name} line {line} ({ignore.source.line(line).strip()})"

    return Window(ignored_by, ignore.source.name)
