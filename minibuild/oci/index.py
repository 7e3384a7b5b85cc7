"""An index: one name, several platforms' manifests, and which of them a platform runs.

Source: image-spec image-index.md; the fall-back of variants is containerd's (``platforms.Only``), within one
architecture: a 32-bit image is never taken for a 64-bit one unless it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from minibuild.errors import ImageError
from minibuild.oci.artifact import Artifact
from minibuild.oci.config import encode_json
from minibuild.oci.digest import Digest
from minibuild.oci.image import Descriptor, Image, MediaType, parse_manifest
from minibuild.oci.platform import Platform
from minibuild.values import dataclass, field, replace

INDEX_TYPES = frozenset({MediaType.INDEX, MediaType.DOCKER_INDEX})
MANIFEST_TYPES = frozenset({MediaType.MANIFEST, MediaType.DOCKER_MANIFEST})

# What runs on each of Arm's 64-bit generations, best first.
_ARM64 = ("v8", "v8.1", "v8.2", "v8.3", "v8.4", "v8.5", "v8.6", "v8.7", "v8.8", "v8.9")
_ARM64_9 = {"v9": 5, "v9.1": 6, "v9.2": 7, "v9.3": 8, "v9.4": 9}
_USUAL_VARIANT = {"arm": "v7", "arm64": "v8", "amd64": "v1"}

# BuildKit's annotations of a manifest that is about another of the same index, and a platform that nothing runs on.
REFERENCE_TYPE, REFERENCE_DIGEST = "vnd.docker.reference.type", "vnd.docker.reference.digest"
NOWHERE = Platform("unknown", "unknown")

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """Several images under one name, as a rule one a platform: the index, kept as the bytes it was, and what it names.

    ``images`` are those that are known, in its order; ``attached`` what goes with them wherever they go: attestations.
    ``noted`` is what whoever lists the index says of it.
    """

    images: tuple[Image, ...]
    raw: bytes = field(repr=False)
    media_type: str = MediaType.INDEX
    noted: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    attached: tuple[Artifact, ...] = ()

    @classmethod
    def of(cls, images: Sequence[Image], annotations: Mapping[str, str] = _NOTHING) -> ImageIndex:
        """The index of images of our own making, each for the platform that its configuration says."""
        return cls.compose(images, [listed(image).encode() for image in images], annotations)

    @classmethod
    def compose(
        cls, images: Sequence[Image], entries: Sequence[dict[str, Any]], annotations: Mapping[str, str] = _NOTHING
    ) -> ImageIndex:
        """The index of these descriptors, which are JSON objects lest what others said in them is lost."""
        media_type = _type_for([str(entry.get("mediaType")) for entry in entries], annotations)
        document: dict[str, Any] = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(entries)}
        if annotations:
            document["annotations"] = dict(annotations)
        return cls(tuple(images), encode_json(document), media_type)

    @classmethod
    def parse(cls, raw: bytes, images: Sequence[Image], attached: Sequence[Artifact] = ()) -> ImageIndex:
        """The index of these bytes; raises ImageError where they are none."""
        parse_index(raw)
        media_type = str(parse_manifest(raw).get("mediaType") or MediaType.INDEX)
        return cls(tuple(images), raw, media_type, attached=tuple(attached))

    @property
    def packages(self) -> tuple[Image | Artifact, ...]:
        """All that it has to have beside it, where it goes."""
        return (*self.images, *self.attached)

    @property
    def manifests(self) -> tuple[Descriptor, ...]:
        """What it lists, in its order, images or not."""
        return parse_index(self.raw)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The same as the JSON objects that they are."""
        return list(json.loads(self.raw)["manifests"])

    @property
    def annotations(self) -> Mapping[str, str]:
        """What it says of all its images together."""
        return dict(json.loads(self.raw).get("annotations") or {})

    @property
    def digest(self) -> Digest:
        """The digest of the index."""
        return Digest.of(self.raw)

    @property
    def id(self) -> Digest:
        """What people know it by: there is no one configuration."""
        return self.digest

    @property
    def descriptor(self) -> Descriptor:
        """Points at the index."""
        return Descriptor(self.media_type, self.digest, len(self.raw), self.noted)

    @property
    def size(self) -> int:
        """Bytes of all layers, as their blobs are; those that several images have count once."""
        return sum({layer.descriptor.digest: layer.descriptor.size for i in self.images for layer in i.layers}.values())

    @property
    def platforms(self) -> tuple[str, ...]:
        """What its images are for, as it says itself."""
        known = {image.digest for image in self.images}
        return tuple(str(item.platform) for item in self.manifests if item.digest in known and item.platform)

    def image_for(self, platform: Platform) -> Image | None:
        """The image that a platform runs best; None: there is none."""
        chosen = choose(self.manifests, platform)
        return next((image for image in self.images if chosen and image.digest == chosen.digest), None)

    def attached_to(self, image: Image) -> tuple[Artifact, ...]:
        """What is attached to one of its images."""
        own = {one.digest for one in self.manifests if one.annotations.get(REFERENCE_DIGEST) == image.digest}
        return tuple(one for one in self.attached if one.digest in own)

    def with_images(self, images: Sequence[Image], attached: Sequence[Artifact] | None = None) -> ImageIndex:
        """The same index with other manifests of its images, in its order, and unless they are None, of what is
        attached to them; all else that it says stays.
        """
        if tuple(images) == self.images:
            return self
        attached = self.attached if attached is None else attached
        changed: dict[str, dict[str, Any]] = {
            old.digest: {"mediaType": new.media_type, "digest": new.digest, "size": len(new.raw_manifest)}
            for old, new in zip(self.packages, (*images, *attached), strict=True)
        }
        entries = [{**_referring(entry, changed), **changed.get(entry["digest"], {})} for entry in self.entries]
        composed = ImageIndex.compose(images, entries, self.annotations)
        return replace(composed, noted=self.noted, attached=tuple(attached))


def _referring(entry: dict[str, Any], changed: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An entry that is about an image, about its new manifest."""
    annotations = entry.get("annotations") or {}
    new = changed.get(annotations.get(REFERENCE_DIGEST, ""))
    return {**entry, "annotations": {**annotations, REFERENCE_DIGEST: new["digest"]}} if new else entry


AnyImage: TypeAlias = Image | ImageIndex
"""What a name may stand for. Both have ``images``, ``packages``, a ``digest`` and a ``descriptor``."""


def listed(image: Image, annotations: Mapping[str, str] = _NOTHING) -> Descriptor:
    """An image's place in an index: its manifest, its platform, these annotations."""
    platform = image.config.platform
    return Descriptor(image.media_type, image.digest, len(image.raw_manifest), annotations, platform)


def listed_attestation(attestation: Artifact, image: Image) -> Descriptor:
    """An attestation's place in the index that has the image it is about, as BuildKit writes it."""
    annotations = {REFERENCE_DIGEST: image.digest, REFERENCE_TYPE: "attestation-manifest"}
    size = len(attestation.raw_manifest)
    return Descriptor(attestation.media_type, attestation.digest, size, annotations, NOWHERE)


def is_attached(listed: Descriptor) -> bool:
    """What an index lists is no image, but goes with one."""
    return REFERENCE_TYPE in listed.annotations or listed.platform == NOWHERE


def _type_for(manifests: Sequence[str], annotations: Mapping[str, str]) -> MediaType:
    # Old registries and clients know Docker's manifests in Docker's lists only; those have no annotations.
    if manifests and set(manifests) <= {MediaType.DOCKER_MANIFEST} and not annotations:
        return MediaType.DOCKER_INDEX
    return MediaType.INDEX


def parse_index(raw: bytes) -> tuple[Descriptor, ...]:
    """The manifests that an index lists, in its order; raises ImageError where it isn't one."""
    manifests = parse_manifest(raw).get("manifests")
    if not isinstance(manifests, list) or not all(isinstance(item, dict) for item in manifests):
        raise ImageError("the index has no list of manifests")
    return tuple(map(Descriptor.parse, manifests))


def choose(manifests: Sequence[Descriptor], platform: Platform) -> Descriptor | None:
    """The manifest that a platform runs best, the index's order deciding between equals; None: there is none.

    A lone manifest that doesn't say its platform is taken for what was asked.
    """
    images = [item for item in manifests if item.media_type in INDEX_TYPES | MANIFEST_TYPES]
    for variant in _variants(platform):
        for item in images:
            if item.platform and _runs(item.platform, platform, variant):
                return item
    unnamed = [item for item in images if item.platform is None]
    return unnamed[0] if len(unnamed) == 1 else None


def runs_on(offered: Platform, wanted: Platform) -> bool:
    """Whether an image for one platform is one for another too: arm64/v8 is arm64, and arm/v7 runs what is for v6."""
    return any(_runs(offered, wanted, variant) for variant in _variants(wanted))


def _runs(offered: Platform, wanted: Platform, variant: str) -> bool:
    if (offered.os, offered.architecture) != (wanted.os, wanted.architecture):
        return False
    return (offered.variant or _USUAL_VARIANT.get(offered.architecture, "")) == variant


def _variants(platform: Platform) -> Sequence[str]:
    variant = platform.variant or _USUAL_VARIANT.get(platform.architecture, "")
    generation = variant.removeprefix("v")
    match platform.architecture:
        case "arm" if generation.isdigit():
            return [f"v{number}" for number in range(int(generation), 4, -1)] or [variant]
        case "amd64" if generation.isdigit():
            return [f"v{number}" for number in range(int(generation), 0, -1)] or [variant]
        case "arm64" if variant in _ARM64:
            return _ARM64[_ARM64.index(variant) :: -1]
        case "arm64" if variant in _ARM64_9:
            older = list(_ARM64_9)[: list(_ARM64_9).index(variant) + 1]
            return [*reversed(older), *_ARM64[_ARM64_9[variant] :: -1]]
    return [variant]
