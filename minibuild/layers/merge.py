"""Layers on top of one another as one layer that does to whatever is below what they do together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.index import Index
from minibuild.layers.tree import Tree, ancestors, hides
from minibuild.values import dataclass


def merge(upper: Tree, indices: Sequence[Index], below: Tree) -> Iterator[Change]:
    """The changes that make the tree which ``upper`` shows on top of ``below``, ready to be packed; ``indices`` are
    those of upper's layers, oldest first.

    What upper's layers made and took away again leaves no trace, and deletions are said only of what ``below`` has.
    A directory that no layer of upper says anything of, though something stands in it, keeps what ``below`` says.
    """
    stack = _Stack(upper, tuple(reversed(indices)), below)
    root = upper.find("")
    if root is not None and stack.says_directory(""):
        yield root, None
    yield from stack.deletions_in("")
    for entry in upper.walk(""):
        if entry.kind is not Kind.DIRECTORY:
            yield entry, upper.opener(entry) if entry.kind is Kind.FILE else None
            continue
        if stack.says_directory(entry.path) or not stack.keeps_directory(entry.path):
            yield entry, None
        yield from stack.deletions_in(entry.path)


@dataclass
class _Stack:
    """What several layers, newest first, together say of a path, and what of the tree below them they let through."""

    upper: Tree
    indices: tuple[Index, ...]
    below: Tree

    def says_directory(self, path: str) -> bool:
        """A directory that is shown has an entry of its own, and isn't only what something stands in."""
        for index in self.indices:
            if (entry := index.find(path)) is not None:
                return entry.kind is Kind.DIRECTORY
            if _hides_itself(index, path):
                return False
        return False

    def keeps_directory(self, path: str) -> bool:
        """Below has a directory there, and these layers let it be that one, whatever they do to what is in it."""
        found = _at(self.below, path)
        if found is None or found.kind is not Kind.DIRECTORY:
            return False
        return not any(_hides_itself(index, path) or _is_other(index, path) for index in self.indices)

    def deletions_in(self, directory: str) -> Iterator[Change]:
        """What is to hide what below has in a directory that is shown: all of it, or some paths."""
        if self._shows_through(directory):
            for path in self._deleted.get(directory, ()):
                yield Entry(path, Kind.WHITEOUT), None
            return
        found = _at(self.below, directory)
        is_directory = found is not None and found.kind is Kind.DIRECTORY
        if is_directory and (not directory or self._shows_through(_parent(directory))):
            yield Entry(directory, Kind.OPAQUE), None

    @cached_property
    def _deleted(self) -> Mapping[str, Sequence[str]]:
        """The paths that below has and these layers delete for good, by the nearest directory above that is shown."""
        found: dict[str, list[str]] = {}
        for path in sorted({path for index in self.indices for path in index.whiteouts}):
            is_gone = _at(self.upper, path) is None and _at(self.below, path) is not None
            if is_gone and self._shows_through(_parent(path)):
                shown = next(above for above in ancestors(path) if _at(self.upper, above) is not None)
                found.setdefault(shown, []).append(path)
        return found

    def _shows_through(self, directory: str) -> bool:
        """What below has in a directory isn't hidden all together."""
        return not any(hides(index, above) for index in self.indices for above in (directory, *ancestors(directory)))


def _hides_itself(index: Index, path: str) -> bool:
    """A layer deletes a path, or hides all that those below have in a directory above it."""
    return path in index.whiteouts or any(hides(index, above) for above in ancestors(path))


def _is_other(index: Index, path: str) -> bool:
    entry = index.find(path)
    return entry is not None and entry.kind is not Kind.DIRECTORY


def _at(tree: Tree, path: str) -> Entry | None:
    """What stands at that very path: no symlink on the way is followed."""
    return tree.find(path, follow=False) if tree.resolve(_parent(path)) == _parent(path) else None


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
