"""A file of an image that tells of packages: what a reader is given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import BinaryIO, TypeAlias

from minibuild.errors import ImageError
from minibuild.inventory.package import Distribution, Package
from minibuild.layers.entry import Entry
from minibuild.layers.tree import Tree
from minibuild.values import dataclass

LARGEST_DOCUMENT = 4 << 20
"""Bytes of the description of one package."""
LARGEST_DATABASE = 64 << 20
"""Bytes of the description of all packages of a distribution."""

_MOST_LINES = 1000
"""Lines that are kept of one field."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A regular file, and the image around it."""

    entry: Entry
    tree: Tree
    distribution: Distribution

    def open(self, limit: int) -> BinaryIO:
        """Its content, seekable; the caller closes it. Raises ImageError where it is of more bytes."""
        if self.entry.size > limit:
            raise ImageError(f"it has {self.entry.size} bytes, more than the {limit} that are read")
        return self.tree.opener(self.entry)()

    def read(self, limit: int = LARGEST_DOCUMENT) -> bytes:
        """Its content; raises ImageError where it is of more bytes."""
        with self.open(limit) as content:
            return content.read()

    def package(self, kind: str, name: str, version: str, licence: str = "", **qualifiers: str) -> Package:
        """A package of the distribution."""
        said = {**qualifiers, **self.distribution.qualifiers}
        return Package(kind, name, version, self.distribution.vendor, said, licence)


Reader: TypeAlias = Callable[[Evidence], Iterator[Package]]
"""Reads the packages that a file tells of; raises ImageError, or what parsing raises, where it can't be read."""


def paragraphs(lines: Iterable[bytes], names: Collection[str]) -> Iterator[dict[str, str]]:
    """The paragraphs of ``Name: value`` lines, of them the fields of these names; "" for one that isn't there.

    Lines that go on, and fields that come again, are joined by line feeds; what isn't UTF-8 is replaced.
    """
    fields: dict[str, list[str]] = {}
    values: list[str] | None = None
    for raw in lines:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if not line:
            if fields:
                yield _joined(fields, names)
            fields, values = {}, None
            continue
        if line[0] in " \t":
            value = line
        else:
            name, colon, value = line.partition(":")
            values = fields.setdefault(name, []) if colon and name in names else None
        if values is not None and len(values) < _MOST_LINES:
            values.append(value.strip())
    if fields:
        yield _joined(fields, names)


def _joined(fields: dict[str, list[str]], names: Collection[str]) -> dict[str, str]:
    return {name: "\n".join(fields.get(name, ())) for name in names}
