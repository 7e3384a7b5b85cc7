"""A directory that is an OCI image layout, as skopeo, buildah, umoci and containerd read and write it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Self

from minibuild.errors import UsageError
from minibuild.events import Progress, Transferred
from minibuild.oci import AnyImage, Descriptor, Image, ImageIndex, Platform, Reference
from minibuild.store.blobs import Blobs, disk_explained
from minibuild.store.images import replace_file
from minibuild.store.layout import (
    INDEX_FILE,
    LAYOUT,
    LAYOUT_FILE,
    Document,
    Documents,
    entries_of,
    names_of,
    read_index,
    write_index,
)
from minibuild.store.locks import locked
from minibuild.transports.base import LayerContents, Package
from minibuild.transports.files import Directory
from minibuild.transports.layout import Layout

_BLOCK = 1 << 20


class OciLayout:
    """A layout by its path; ``pin`` chooses one of its images, by tag, full name or digest, whatever is asked for."""

    def __init__(self, path: Path, pin: str = "") -> None:
        self._path = path
        self._layout = Layout(Directory(path), pin)

    @classmethod
    def at(cls, words: str) -> Self:
        """``path``, ``path:tag``, ``path@sha256:…``: the longest path that exists is the path."""
        if Path(words).exists():
            return cls(Path(words))
        path, at, digest = words.partition("@")
        head, _, tag = path.partition(":")
        if Path(path).exists():
            return cls(Path(path), f"{at}{digest}")
        return cls(Path(head), f"{tag}{at}{digest}")

    def resolve(self, reference: Reference, platform: Platform) -> Image:
        return self._layout.resolve(reference, platform)

    def whole(self) -> AnyImage:
        """What is meant, whatever it is for: an index where there are several platforms."""
        return self._layout.whole()

    def open(self, descriptor: Descriptor) -> BinaryIO:
        return self._layout.open(descriptor)

    def manifest(self, platform: Platform) -> bytes:
        """The manifest that is meant, whatever it is of; of an index, the one for a platform."""
        return self._layout.manifest(platform)

    def images(self, platform: Platform | None) -> Iterator[tuple[tuple[Reference, ...], AnyImage]]:
        """All images for a platform, None: for any, each with its names."""
        return self._layout.images(platform)

    def export(self, image: AnyImage, names: Sequence[Reference], contents: LayerContents, progress: Progress) -> None:
        """Adds the image to the layout, which is made if need be; an image of the same tag loses it."""
        self.put(image, entries_of(image, names), contents, progress)

    def put(
        self,
        package: Package | ImageIndex,
        entries: Sequence[Document],
        contents: LayerContents,
        progress: Progress,
    ) -> None:
        """Adds what has a manifest, by these entries of the index; others of their names lose them."""
        if self._path.exists() and not self._path.is_dir():
            raise UsageError(f"{self._path} is a file, wanted a directory")
        with disk_explained(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
            blobs = Blobs(self._path, self._path)
            blobs.make()
            for one in package.packages if isinstance(package, ImageIndex) else [package]:
                for descriptor in one.blobs:
                    if not blobs.has(descriptor):
                        _copy(descriptor, blobs, contents, progress)
                blobs.add(one.raw_config)
                blobs.add(one.raw_manifest)
            if isinstance(package, ImageIndex):
                blobs.add(package.raw)
            self._list(entries)

    def _list(self, after: Sequence[Document]) -> None:
        index, layout = self._path / INDEX_FILE, self._path / LAYOUT_FILE
        with suppress(FileExistsError), layout.open("xb") as file:
            file.write(LAYOUT)
        with locked(layout):
            before: Documents = read_index(index.read_bytes(), str(index)) if index.exists() else []
            taken = {names_of(entry) for entry in after} - {()}
            kept = [entry for entry in before if names_of(entry) not in taken and entry not in after]
            replace_file(index, write_index([*kept, *after]), self._path)


def _copy(descriptor: Descriptor, blobs: Blobs, contents: LayerContents, progress: Progress) -> None:
    with contents.open(descriptor) as stream, blobs.writer() as writer:
        while block := stream.read(_BLOCK):
            writer.write(block)
            progress(Transferred(0, descriptor.digest.short, writer.size, descriptor.size))
        writer.commit(descriptor)
