"""What ``--parents`` and ``--exclude`` leave of a directory: patterns of an ignore file, relative to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from minibuild.build.ignore import IgnoreFile
from minibuild.build.matching import FileTree, is_pattern
from minibuild.layers.entry import Entry, Kind


class Kept(NamedTuple):
    """What is copied of a directory: ``below`` in the order of paths, and ``passed``, the paths of those directories
    that are there only for what they hold.
    """

    below: tuple[Entry, ...]
    passed: frozenset[str] = frozenset()


def content_of(tree: FileTree, directory: Entry, excluded: Sequence[str]) -> Kept:
    """All that a directory holds, but what patterns leave out."""
    candidates = tree.walk(directory.path)
    if not excluded:
        return Kept(tuple(candidates))
    ignore = IgnoreFile.of(excluded)
    return _kept(directory, candidates, lambda path: not ignore.excludes(path))


def matched_in(tree: FileTree, directory: Entry, pattern: str, excluded: Sequence[str]) -> Kept:
    """What of a directory's content a pattern matches, with all that is below, but what patterns leave out.

    No symlink is followed. ``**`` stands for any number of directories; "" matches all.
    """
    if not pattern:
        return content_of(tree, directory, excluded)
    # All is left out, and what the pattern matches brought back.
    included, ignore = IgnoreFile.of(("*", f"!{pattern}")), IgnoreFile.of(excluded)
    candidates = _candidates(tree, directory, pattern.split("/"))
    return _kept(directory, candidates, lambda path: not included.excludes(path) and not ignore.excludes(path))


def _candidates(tree: FileTree, directory: Entry, components: Sequence[str]) -> Iterator[Entry]:
    """What may match: the directories that the pattern names, and all that is below the last of them."""
    here = directory
    for component in components:
        if is_pattern(component):
            break
        found = tree.find(f"{here.path}/{component}" if here.path else component, follow=False)
        if found is None:
            return
        yield found
        if found.kind is not Kind.DIRECTORY:
            return
        here = found
    yield from tree.walk(here.path)


def _kept(directory: Entry, candidates: Iterable[Entry], keeps: Callable[[str], bool]) -> Kept:
    start = len(directory.path) + 1 if directory.path else 0
    below: list[Entry] = []
    passed: set[str] = set()
    skipped: dict[str, Entry] = {}
    for entry in candidates:
        if keeps(entry.path[start:]):
            above, parent = [], entry.parent
            while parent in skipped:
                above.append(skipped.pop(parent))
                passed.add(parent)
                parent = parent.rpartition("/")[0]
            below += (*reversed(above), entry)
        elif entry.kind is Kind.DIRECTORY:
            skipped[entry.path] = entry
    return Kept(tuple(below), frozenset(passed))
