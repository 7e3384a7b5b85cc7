"""An image: a manifest and a configuration, both kept as the bytes they were, and the layers they name.

Source: image-spec manifest.md, descriptor.md, media-types.md; Docker's "Image Manifest V 2, Schema 2".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from minibuild.errors import ImageError
from minibuild.oci.config import ContainerConfig, History, ImageConfig, encode_json
from minibuild.oci.digest import Digest, chain_id
from minibuild.oci.platform import Platform
from minibuild.values import dataclass, field, replace


class MediaType(StrEnum):
    """The media types of images: OCI's, and Docker's where they differ."""

    INDEX = "application/vnd.oci.image.index.v1+json"
    MANIFEST = "application/vnd.oci.image.manifest.v1+json"
    CONFIG = "application/vnd.oci.image.config.v1+json"
    LAYER = "application/vnd.oci.image.layer.v1.tar"
    LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
    LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
    DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
    DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
    DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
    DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
    DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"


# A manifest must not mix the two families, so a layer out of a Docker manifest is renamed when it is built upon.
_AS_OCI: Mapping[str, str] = {
    MediaType.DOCKER_LAYER: MediaType.LAYER,
    MediaType.DOCKER_LAYER_GZIP: MediaType.LAYER_GZIP,
    MediaType.DOCKER_CONFIG: MediaType.CONFIG,
}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Points at a blob: its media type, digest and size in bytes; ``platform`` only in an index."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    platform: Platform | None = None

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Descriptor:
        """The descriptor that a JSON object is; raises ImageError where it isn't one."""
        if not isinstance(document, Mapping):
            raise ImageError(f"a descriptor is {type(document).__name__}, wanted an object")
        size, platform, annotations = (document.get(key) for key in ("size", "platform", "annotations"))
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ImageError(f"descriptor of {document.get('digest')!r} has the size {size!r}, wanted a whole number")
        return cls(
            media_type=str(document.get("mediaType", "")),
            digest=Digest.parse(document.get("digest", "")),
            size=size,
            annotations=MappingProxyType(dict(_texts("annotations", annotations or {}))),
            platform=None if platform is None else _platform(platform),
        )

    def encode(self) -> dict[str, Any]:
        """The JSON object that this is."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform:
            known = {"architecture": self.platform.architecture, "os": self.platform.os}
            document["platform"] = {**known, **({"variant": self.platform.variant} if self.platform.variant else {})}
        return document


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob that holds a layer's tar, compressed or not, and the digest of the uncompressed tar."""

    descriptor: Descriptor
    diff_id: Digest

    @classmethod
    def of_tar(cls, digest: Digest, size: int) -> Layer:
        """A layer whose blob is the bare tar."""
        return cls(Descriptor(MediaType.LAYER, digest, size), digest)


class Manifest:
    """What a value has that is a manifest and the configuration it names, as the bytes they are."""

    __slots__ = ()

    raw_manifest: bytes
    media_type: str

    @property
    def digest(self) -> Digest:
        """The digest of the manifest."""
        return Digest.of(self.raw_manifest)

    @property
    def descriptor(self) -> Descriptor:
        """Points at the manifest."""
        return Descriptor(self.media_type, self.digest, len(self.raw_manifest))

    @property
    def config_descriptor(self) -> Descriptor:
        """Points at the configuration, as the manifest does."""
        return Descriptor.parse(json.loads(self.raw_manifest)["config"])


@dataclass(frozen=True, slots=True)
class Image(Manifest):
    """One platform's image. The raw bytes are what digests were taken of; the other fields are what they say.

    Invariant, checked when parsed: as many layers as ``diff_ids``, and (where there is a history) as many lines in it
    that made a layer.
    """

    config: ImageConfig
    layers: tuple[Layer, ...]
    raw_config: bytes = field(repr=False)
    raw_manifest: bytes = field(repr=False)
    media_type: str = MediaType.MANIFEST

    @classmethod
    def parse(cls, raw_manifest: bytes, raw_config: bytes) -> Image:
        """The image of these bytes; raises ImageError where they don't follow the specification or each other."""
        document = parse_manifest(raw_manifest)
        config = ImageConfig.parse(raw_config)
        listed = document.get("layers") or []
        if not isinstance(listed, list):
            raise ImageError("the manifest has no list of layers")
        descriptors = list(map(Descriptor.parse, listed))
        if len(descriptors) != len(config.diff_ids):
            raise ImageError(
                f"the manifest has {len(descriptors)} layers, the configuration {len(config.diff_ids)} diff_ids"
            )
        layers = tuple(map(Layer, descriptors, config.diff_ids))
        media_type = str(document.get("mediaType") or MediaType.MANIFEST)
        return cls(config, layers, raw_config, raw_manifest, media_type)

    @classmethod
    def compose(cls, config: ImageConfig, layers: Sequence[Layer]) -> Image:
        """An image of our own making, in OCI's media types; the configuration's diff_ids become the layers'."""
        config = replace(config, diff_ids=tuple(layer.diff_id for layer in layers))
        raw_config = config.encode()
        descriptors = [
            replace(layer.descriptor, media_type=_AS_OCI.get(layer.descriptor.media_type, layer.descriptor.media_type))
            for layer in layers
        ]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MediaType.MANIFEST,
            "config": Descriptor(MediaType.CONFIG, Digest.of(raw_config), len(raw_config)).encode(),
            "layers": [descriptor.encode() for descriptor in descriptors],
        }
        renamed = tuple(Layer(new, old.diff_id) for new, old in zip(descriptors, layers, strict=True))
        return cls(config, renamed, raw_config, encode_json(manifest))

    def with_layers(self, layers: Sequence[Layer]) -> Image:
        """The same image, its layers in other forms: the configuration, and so the ID, stays to the byte."""
        if tuple(layers) == self.layers:
            return self
        composed = Image.compose(self.config, layers)
        manifest = json.loads(composed.raw_manifest)
        manifest["config"] = Descriptor(MediaType.CONFIG, self.id, len(self.raw_config)).encode()
        repacked = replace(composed, config=self.config, raw_config=self.raw_config, raw_manifest=encode_json(manifest))
        return repacked.annotated(self.annotations)

    @property
    def annotations(self) -> Mapping[str, str]:
        """What the manifest says of the image besides its configuration."""
        return _texts("annotations", json.loads(self.raw_manifest).get("annotations") or {})

    def annotated(self, annotations: Mapping[str, str]) -> Image:
        """The image with more said of it, or otherwise; the configuration, and so the ID, stays."""
        if not annotations:
            return self
        manifest = json.loads(self.raw_manifest)
        manifest["annotations"] = {**self.annotations, **annotations}
        return replace(self, raw_manifest=encode_json(manifest))

    @classmethod
    def scratch(cls, platform: Platform) -> Image:
        """The empty image that ``FROM scratch`` starts with."""
        return cls.compose(ImageConfig(platform), ())

    @property
    def images(self) -> tuple[Image, ...]:
        """Itself alone, where an index has several."""
        return (self,)

    @property
    def packages(self) -> tuple[Image, ...]:
        """The same, where an index may have more than images."""
        return (self,)

    def attached_to(self, _image: Image) -> tuple[()]:
        """Nothing: only an index has something beside its images."""
        return ()

    @property
    def id(self) -> Digest:
        """The image ID: the digest of the configuration."""
        return Digest.of(self.raw_config)

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """What its manifest names besides the configuration: the layers' blobs."""
        return tuple(layer.descriptor for layer in self.layers)

    @property
    def size(self) -> int:
        """Bytes of all layers, as their blobs are."""
        return sum(layer.descriptor.size for layer in self.layers)

    @property
    def chain(self) -> Digest | None:
        """The ChainID of all its layers; None for an image of no layers."""
        return chain_id(self.config.diff_ids)

    def append(self, layer: Layer | None, config: ContainerConfig, history: History | None, author: str = "") -> Image:
        """This image with the configuration after a step, and unless they are None one more layer and history line."""
        if history is not None:
            history = replace(history, empty_layer=layer is None)
        changed = replace(
            self.config,
            config=config,
            history=self.config.history if history is None else (*self.config.history, history),
            created=(history and history.created) or self.config.created,
            author=author or self.config.author,
        )
        return Image.compose(changed, self.layers if layer is None else (*self.layers, layer))


def _platform(document: object) -> Platform:
    texts = _texts("platform", document, ("os", "architecture", "variant"))
    return Platform(texts.get("os", ""), texts.get("architecture", ""), texts.get("variant", ""))


def _texts(name: str, document: object, keys: Sequence[str] = ()) -> Mapping[str, str]:
    """The texts of a JSON object, by these keys or all; raises ImageError where something else stands there."""
    if not isinstance(document, Mapping):
        raise ImageError(f"the {name} of a descriptor are {type(document).__name__}, wanted an object")
    texts = {key: document[key] for key in keys or document if document.get(key) is not None}
    if not all(isinstance(text, str) for text in texts.values()):
        raise ImageError(f"the {name} of a descriptor have something that is no text")
    return texts


def parse_manifest(raw: bytes) -> dict[str, Any]:
    """The JSON object of a manifest or an index; raises ImageError for schema 1 and for what is neither."""
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"the manifest is no JSON ({error})") from error
    if not isinstance(document, dict):
        raise ImageError("the manifest is no JSON object")
    if document.get("schemaVersion") == 1:
        raise ImageError(
            "the manifest is of schema 1, which Docker retired", hint="push the image again, by any client"
        )
    if document.get("schemaVersion") != 2:
        raise ImageError(f"the manifest has the schemaVersion {document.get('schemaVersion')!r}, wanted 2")
    return document
