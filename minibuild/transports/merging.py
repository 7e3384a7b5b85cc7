"""An image's layers as the one tree that a container of it sees, without mounting or unpacking any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from minibuild.layers.entry import Change, Entry, Kind, Opener
from minibuild.layers.tree import Tree
from minibuild.oci import Digest, Image
from minibuild.store.verifying import verified
from minibuild.transports.base import LayerContents


def merged(image: Image, contents: LayerContents) -> Iterator[Change]:
    """All entries below the root, each directory before what is in it, names sorted, ready to be packed."""
    tree = Tree([(layer, contents.index(layer)) for layer in image.layers], contents.open_tar)
    for entry in tree.walk(""):
        yield entry, _verified(entry, tree.opener(entry)) if entry.kind is Kind.FILE else None


def _verified(entry: Entry, opener: Opener) -> Opener:
    """A file read out of a tar's middle is judged by its own digest, since the tar's isn't taken."""
    if not entry.digest:
        return opener

    def open_file() -> BinaryIO:
        return verified(opener(), Digest(entry.digest), f"{entry.path!r} of the image")

    return open_file
