"""A manifest that isn't an image's: blobs that a registry keeps, and a document of another media type about them.

Source: image-spec manifest.md §Guidelines for Artifact Usage; its ``config`` tells what it is, which registries of any
age take.
"""

from __future__ import annotations

from collections.abc import Sequence

from minibuild.errors import ImageError
from minibuild.oci.config import encode_json
from minibuild.oci.digest import Digest
from minibuild.oci.image import Descriptor, Manifest, MediaType, parse_manifest
from minibuild.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Artifact(Manifest):
    """A manifest and the document in its configuration's place, as the bytes they are; ``blobs`` are its layers."""

    blobs: tuple[Descriptor, ...]
    raw_config: bytes = field(repr=False)
    raw_manifest: bytes = field(repr=False)
    media_type: str = MediaType.MANIFEST

    @classmethod
    def parse(cls, raw_manifest: bytes, raw_config: bytes) -> Artifact:
        """The artifact of these bytes; raises ImageError where they don't follow the specification."""
        document = parse_manifest(raw_manifest)
        layers = document.get("layers") or []
        if not isinstance(layers, list):
            raise ImageError("the manifest has no list of layers")
        media_type = str(document.get("mediaType") or MediaType.MANIFEST)
        return cls(tuple(map(Descriptor.parse, layers)), raw_config, raw_manifest, media_type)

    @classmethod
    def compose(cls, config_type: str, raw_config: bytes, blobs: Sequence[Descriptor]) -> Artifact:
        """The artifact of a document that is of that media type."""
        manifest = {
            "schemaVersion": 2,
            "mediaType": MediaType.MANIFEST,
            "config": Descriptor(config_type, Digest.of(raw_config), len(raw_config)).encode(),
            "layers": [descriptor.encode() for descriptor in blobs],
        }
        return cls(tuple(blobs), raw_config, encode_json(manifest))
