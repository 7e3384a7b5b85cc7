"""An image's layers as the one tree that a container of it sees, without mounting or unpacking any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from minibuild.layers.entry import Change, Entry, Kind, Opener
from minibuild.layers.tree import Tree
from minibuild.oci import Digest, Image, ImageIndex
from minibuild.store.verifying import verified
from minibuild.transports.base import LayerContents


def merged(image: Image, contents: LayerContents) -> Iterator[Change]:
    """All entries below the root, each directory before what is in it, names sorted, ready to be packed."""
    tree = Tree([(layer, contents.index(layer)) for layer in image.layers], contents.open_tar)
    for entry in tree.walk(""):
        yield entry, _verified(entry, tree.opener(entry)) if entry.kind is Kind.FILE else None


def each_in_its_directory(index: ImageIndex, contents: LayerContents) -> Iterator[Change]:
    """The trees of several images as one, each in a directory that its platform names, such as ``linux_arm_v7``."""
    for image in sorted(index.images, key=directory_of):
        directory = directory_of(image)
        yield Entry(directory, Kind.DIRECTORY, 0o755), None
        for entry, opener in merged(image, contents):
            link = f"{directory}/{entry.link}" if entry.kind is Kind.HARDLINK else entry.link
            yield entry._replace(path=f"{directory}/{entry.path}", link=link), opener


def directory_of(image: Image) -> str:
    """The directory of a platform's files among others, as BuildKit names it."""
    return str(image.config.platform).replace("/", "_")


def _verified(entry: Entry, opener: Opener) -> Opener:
    """A file read out of a tar's middle is judged by its own digest, since the tar's isn't taken."""
    if not entry.digest:
        return opener

    def open_file() -> BinaryIO:
        return verified(opener(), Digest(entry.digest), f"{entry.path!r} of the image")

    return open_file
