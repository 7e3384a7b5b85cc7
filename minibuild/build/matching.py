"""Patterns of COPY and ADD, matched against a tree: Go's ``filepath.Match``, component by component."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from minibuild.errors import ContextError, DockerfileError
from minibuild.layers.entry import Entry, Kind, Opener

_SPECIAL = re.compile(r"[*?\[\\]")
_WILDCARD = re.compile(r"(?<!\\)(?:\\\\)*[*?\[]")


class FileTree(Protocol):
    """What files are copied from: the context, or an image's layers. Paths are relative, "" is the root."""

    def find(self, path: str, *, follow: bool = True) -> Entry | None:
        """What stands at a path, symlinks resolved inside the tree; ``follow``: the last component's too."""

    def children(self, path: str) -> Sequence[Entry]:
        """What stands in a directory, by name."""

    def walk(self, path: str) -> Iterator[Entry]:
        """Everything below a directory, in the order of paths."""

    def opener(self, entry: Entry) -> Opener:
        """What opens the content of a regular file or hard link."""

    def digest(self, entry: Entry) -> str:
        """The digest of that content."""


class Match(NamedTuple):
    """A path that a pattern matched, and what stands there once symlinks are followed."""

    path: str
    entry: Entry


def is_pattern(text: str) -> bool:
    """It has wildcards or escapes, so that it may match several paths or none."""
    return bool(_SPECIAL.search(text))


def has_wildcards(text: str) -> bool:
    """It has wildcards, so that it may well match nothing."""
    return bool(_WILDCARD.search(text))


def match(tree: FileTree, pattern: str) -> list[Match]:
    """The paths that a pattern matches, sorted.

    Symlinks are followed above the first wildcard, and those that match; not those between, as Go's ``filepath.Walk``
    doesn't. Raises DockerfileError for a malformed pattern, ContextError for a symlink that matches and leads nowhere.
    """
    if not is_pattern(pattern):
        entry = tree.find(pattern)
        return [] if entry is None else [Match(pattern, entry)]
    components = pattern.split("/")
    literal = next(i for i, component in enumerate(components) if is_pattern(component))
    paths = ["/".join(components[:literal])]
    for i, component in enumerate(components[literal:]):
        expression = component_expression(component)
        paths = [path for parent in paths for path in _below(tree, parent, expression, follow=i == 0)]
    return [Match(path, _followed(tree, path)) for path in paths]


def _below(tree: FileTree, parent: str, expression: re.Pattern[str], *, follow: bool) -> list[str]:
    directory = tree.find(parent, follow=follow)
    if directory is None or directory.kind is not Kind.DIRECTORY:
        return []
    prefix = f"{parent}/" if parent else ""
    return [prefix + child.name for child in tree.children(parent) if expression.fullmatch(child.name)]


def _followed(tree: FileTree, path: str) -> Entry:
    entry = tree.find(path)
    if entry is not None:
        return entry
    link = tree.find(path, follow=False)
    target = link.link if link is not None else ""
    raise ContextError(
        f"{path} is a symlink to {target!r}, which leads to nothing that can be copied",
        hint="remove it, leave it out by a line in .dockerignore, or name the files without a wildcard",
    )


def component_expression(pattern: str) -> re.Pattern[str]:
    """A pattern of one path component as a regular expression that takes linear time.

    Each run between two stars is found at its first place and kept there (an atomic group): what follows a star can
    always wait for a later one, so nothing is lost, and ``*a*a*a*`` can't blow up.
    """
    first, *rest = _runs(pattern)
    middle = "".join(f"(?>.*?{run})" for run in rest[:-1])
    last = f".*{rest[-1]}" if rest else ""
    return re.compile(first + middle + last, re.DOTALL)


def _runs(pattern: str) -> list[str]:
    runs, i = [""], 0
    while i < len(pattern):
        character = pattern[i]
        if character == "*":
            runs.append("")
        elif character == "?":
            runs[-1] += "."
        elif character == "[":
            expression, i = _character_class(pattern, i + 1)
            runs[-1] += expression
        else:
            if character == "\\":
                i += 1
            if i == len(pattern):
                raise DockerfileError(f"pattern {pattern!r} ends with a lone backslash")
            runs[-1] += re.escape(pattern[i])
        i += 1
    return runs


def _character_class(pattern: str, start: int) -> tuple[str, int]:
    negated = pattern[start : start + 1] == "^"
    i, items = start + negated, ""
    while i < len(pattern) and (pattern[i] != "]" or not items):
        low, i = _class_member(pattern, i)
        high = low
        if pattern[i : i + 1] == "-":
            high, i = _class_member(pattern, i + 1)
        if low > high:
            raise DockerfileError(f"pattern {pattern!r} has the empty range {low}-{high}")
        items += f"{re.escape(low)}-{re.escape(high)}"
    if i >= len(pattern) or not items:
        raise DockerfileError(
            f"pattern {pattern!r} has a '[' that no ']' closes", hint="a literal '[' is written '[[]' or '\\['"
        )
    return f"[{'^' if negated else ''}{items}]", i


def _class_member(pattern: str, i: int) -> tuple[str, int]:
    is_escaped = pattern[i : i + 1] == "\\"
    i += is_escaped
    if i >= len(pattern) or (pattern[i] == "-" and not is_escaped):
        raise DockerfileError(f"pattern {pattern!r} has a malformed '[…]'")
    return pattern[i], i + 1
