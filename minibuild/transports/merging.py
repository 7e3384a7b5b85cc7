"""An image's layers as the one tree that a container of it sees, without mounting or unpacking any."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import partial
from typing import BinaryIO

from minibuild.errors import UsageError
from minibuild.layers.entry import Change, Entry, Kind, Opener
from minibuild.layers.names import printable
from minibuild.layers.tree import Tree
from minibuild.oci import AnyImage, Digest, Image
from minibuild.oci.artifact import Artifact
from minibuild.oci.attestation import FILE_NAMES, predicate_of, statement, statements_in
from minibuild.oci.times import seconds_of
from minibuild.store.verifying import verified
from minibuild.transports.base import LayerContents
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One image's files on their way to a place of files, in a directory of their own where there are several images;
    what is attached to the image becomes files beside them.
    """

    image: Image
    directory: str = ""
    attached: tuple[Artifact, ...] = ()

    def changes(self, contents: LayerContents) -> Iterator[Change]:
        """All entries below the root, each directory before what is in it, names sorted, statements last."""
        tree = Tree([(layer, contents.index(layer)) for layer in self.image.layers], contents.open_tar)
        subjects = []
        for entry in tree.walk(""):
            if entry.kind in (Kind.FILE, Kind.HARDLINK) and entry.digest:
                subjects.append((printable(entry.path), Digest(entry.digest)))
            yield entry, judged(entry, tree.opener(entry)) if entry.kind is Kind.FILE else None
        for artifact in self.attached:
            yield from self._statements(artifact, subjects, contents)

    def _statements(
        self, artifact: Artifact, subjects: Sequence[tuple[str, Digest]], contents: LayerContents
    ) -> Iterator[Change]:
        """What was said of the image, said of its files, under the names that BuildKit has for it."""
        for kind, blob in statements_in(artifact).items():
            with contents.open(blob) as stream:
                predicate = predicate_of(stream.read())
            name = FILE_NAMES.get(kind)
            if name is None or predicate is None:
                continue
            if any(path == name for path, _ in subjects):
                raise UsageError(
                    f"/{name} is a file of the image, and what attests of the image is to go there",
                    hint="leave --sbom and --provenance out for this output, or take type=oci",
                )
            raw = statement(subjects, kind, predicate)
            made = seconds_of(self.image.config.created)
            yield Entry(name, Kind.FILE, 0o644, size=len(raw), mtime=made), partial(io.BytesIO, raw)


def parts_of(image: AnyImage) -> list[Part]:
    """What goes to a place of files; each of several images in a directory that its platform names, as BuildKit names
    it: ``linux_arm_v7``.
    """
    if isinstance(image, Image):
        return [Part(image)]
    if len(image.images) == 1:
        return [Part(image.images[0], "", image.attached_to(image.images[0]))]
    parts = [Part(one, str(one.config.platform).replace("/", "_"), image.attached_to(one)) for one in image.images]
    return sorted(parts, key=lambda part: part.directory)


def merged(image: AnyImage, contents: LayerContents) -> Iterator[Change]:
    """All that goes to a place of files, as one tree, ready to be packed."""
    for part in parts_of(image):
        if not part.directory:
            yield from part.changes(contents)
            continue
        yield Entry(part.directory, Kind.DIRECTORY, 0o755), None
        for entry, opener in part.changes(contents):
            link = f"{part.directory}/{entry.link}" if entry.kind is Kind.HARDLINK else entry.link
            yield entry._replace(path=f"{part.directory}/{entry.path}", link=link), opener


def judged(entry: Entry, opener: Opener) -> Opener:
    """A file read out of a tar's middle is judged by its own digest, since the tar's isn't taken."""
    if not entry.digest:
        return opener

    def open_file() -> BinaryIO:
        return verified(opener(), Digest(entry.digest), f"{entry.path!r} of the image")

    return open_file
