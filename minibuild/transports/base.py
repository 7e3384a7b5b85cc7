"""Where images come from and where they go.

What a transport tells of its progress (``Transferred``) is of activity 0: whoever asked it knows the number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol

from minibuild.events import Progress
from minibuild.layers.index import Index
from minibuild.oci import AnyImage, Descriptor, Digest, Image, Layer, Platform, Reference


class BlobSource(Protocol):
    """A place that has blobs."""

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob that is known to be here; the caller closes it, and verifies size and digest as it reads."""


class ImageSource(BlobSource, Protocol):
    """A place that has images, and so their blobs."""

    def resolve(self, reference: Reference, platform: Platform) -> Image:
        """The image of that name for a platform; raises ImageError where there is none."""


class Package(Protocol):
    """What a registry keeps under a name: a manifest, its configuration, and blobs. An image is one."""

    @property
    def blobs(self) -> Sequence[Descriptor]:
        """What the manifest names besides the configuration."""

    @property
    def config_descriptor(self) -> Descriptor:
        """Points at the configuration."""

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""

    @property
    def media_type(self) -> str:
        """The manifest's media type."""

    @property
    def raw_config(self) -> bytes:
        """The configuration."""

    @property
    def raw_manifest(self) -> bytes:
        """The manifest."""


class LayerContents(Protocol):
    """What gives an exporter the bytes of layers: the store."""

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob as it is, compressed or not; the caller closes it."""

    def open_tar(self, layer: Layer) -> BinaryIO:
        """A layer's uncompressed tar, seekable; the caller closes it."""

    def index(self, layer: Layer) -> Index:
        """The table of a layer's entries."""

    def homes(self, registry: str) -> Mapping[Digest, Sequence[str]]:
        """The repositories of a registry that are likely to have a blob, by blobs."""


class Exporter(Protocol):
    """A place that takes images. What it writes is whole or isn't there."""

    def export(self, image: AnyImage, names: Sequence[Reference], contents: LayerContents, progress: Progress) -> None:
        """Writes the image, or the index with all its images, under these names; with none, it goes by its ID."""
