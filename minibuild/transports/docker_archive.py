"""A tar of images: what ``docker save``, ``podman save``, BuildKit and skopeo write, and what ``docker load`` reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from minibuild.errors import ImageError, MinibuildError
from minibuild.events import Progress
from minibuild.oci import AnyImage, Descriptor, Digest, Image, ImageConfig, Layer, MediaType, Platform, Reference
from minibuild.oci.config import encode_json
from minibuild.store.layout import INDEX_FILE, LAYOUT_FILE
from minibuild.store.verifying import verified
from minibuild.transports.archive import MANIFEST_FILE, Named, archive
from minibuild.transports.base import LayerContents
from minibuild.transports.files import Archive, Files, read
from minibuild.transports.layout import Layout
from minibuild.transports.outfile import Destination, written

_BLOCK = 1 << 20
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class DockerArchive:
    """An archive, in a file or a stream: OCI layout, docker archive of any age, or both; compressed as a whole or not.

    ``pin`` chooses one of its images, by tag, full name or digest, whatever is asked for. The file is opened when it
    is first read; ``close`` when nothing more is.
    """

    def __init__(self, place: Destination, pin: str = "") -> None:
        self._place = place
        self._pin = pin

    @classmethod
    def at(cls, words: str) -> DockerArchive:
        """``path``, or ``path:name[:tag]`` where that isn't a file of its own."""
        path, _, pin = (words, "", "") if Path(words).exists() else words.partition(":")
        return cls(Path(path), pin)

    def resolve(self, reference: Reference, platform: Platform) -> Image:
        return self._images.resolve(reference, platform)

    def whole(self) -> AnyImage:
        """What is meant, whatever it is for: an index where there are several platforms."""
        return self._images.whole()

    def open(self, descriptor: Descriptor) -> BinaryIO:
        return self._images.open(descriptor)

    def images(self, platform: Platform | None) -> Iterator[tuple[tuple[Reference, ...], AnyImage]]:
        """All images for a platform, None: for any, each with its names."""
        return self._images.images(platform)

    def close(self) -> None:
        """Closes the file, if it was opened for reading."""
        if "_files" in self.__dict__:
            self._files.close()

    def export(self, image: AnyImage, names: Sequence[Reference], contents: LayerContents, progress: Progress) -> None:
        """Writes the archive anew."""
        self.export_all([(image, names)], contents, progress)

    def export_all(
        self,
        named: Sequence[Named],
        contents: LayerContents,
        progress: Progress,
        platform: Platform | None = None,
    ) -> None:
        """As ``export``, of several images; of an index, Docker's form has the image for a platform."""
        with written(self._place) as sink:
            for piece in archive(named, contents, progress, platform=platform):
                sink.write(piece)

    @cached_property
    def _files(self) -> Archive:
        where = str(self._place) if isinstance(self._place, Path) else "the archive on standard input"
        if not isinstance(self._place, Path):
            return Archive(_seekable_tar(self._place), where)
        file = _opened(self._place)
        with ExitStack() as stack:
            stack.callback(file.close)
            plain = _seekable_tar(file)
            files = Archive(plain, where)
            if plain is file:
                stack.pop_all()
        return files

    @cached_property
    def _images(self) -> Layout | _Saved:
        files = self._files
        if files.size(LAYOUT_FILE) is not None and files.size(INDEX_FILE) is not None:
            return Layout(files, self._pin)
        return _Saved(files, self._pin)


class _Saved:
    """A docker archive that is no OCI layout: ``manifest.json`` says where configurations and layers lie."""

    def __init__(self, files: Files, pin: str) -> None:
        self._files = files
        self._pin = pin
        self._names: dict[Digest, str] = {}

    def resolve(self, reference: Reference, platform: Platform) -> Image:
        """The image that is meant; raises ImageError where there is none, or no single one."""
        image = self._image(self._meant(reference))
        found = image.config.platform
        if (found.os, found.architecture) != (platform.os, platform.architecture):
            raise ImageError(f"the image in {self._files.where} is for {found}, wanted {platform}")
        return image

    def whole(self) -> Image:
        """The image that is meant, whatever it is for."""
        return self._image(self._meant(None))

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A layer of one of its images, whether that was resolved before or not."""
        if descriptor.digest not in self._names:
            for item in self._items:
                self._image(item)
        name = self._names.get(descriptor.digest)
        if name is None:
            raise ImageError(f"{self._files.where} has no layer {descriptor.digest}")
        return verified(self._files.open(name), descriptor.digest, f"{name} of {self._files.where}")

    def images(self, _platform: Platform | None) -> Iterator[tuple[tuple[Reference, ...], Image]]:
        """All images, each with its names."""
        for item in self._items:
            yield tuple(map(Reference.parse, _tags(item))), self._image(item)

    @cached_property
    def _items(self) -> Sequence[Mapping[str, Any]]:
        if self._files.size(MANIFEST_FILE) is None:
            raise ImageError(
                f"{self._files.where} is no image archive: it has neither {MANIFEST_FILE} nor {INDEX_FILE}",
                hint="docker save, or minibuild with -o type=docker,dest=FILE, write one",
            )
        try:
            items = json.loads(read(self._files, MANIFEST_FILE))
        except (ValueError, RecursionError) as error:
            raise ImageError(f"{MANIFEST_FILE} of {self._files.where} is no JSON ({error})") from error
        if not isinstance(items, list) or not items or not all(map(_is_item, items)):
            raise ImageError(f"{MANIFEST_FILE} of {self._files.where} lists no images with their Config and Layers")
        return items

    def _meant(self, reference: Reference | None) -> Mapping[str, Any]:
        name = self._pin or str(reference or "")
        meant = [item for item in self._items if name and _is_called(item, name)]
        if self._pin and not meant:
            raise ImageError(f"{self._files.where} has no image {self._pin!r}", hint=self._listing())
        meant = meant or list(self._items)
        if len(meant) > 1:
            raise ImageError(f"{self._files.where} has {len(meant)} images, one must be chosen", hint=self._listing())
        return meant[0]

    def _image(self, item: Mapping[str, Any]) -> Image:
        raw_config = read(self._files, item["Config"])
        diff_ids = ImageConfig.parse(raw_config).diff_ids
        if len(diff_ids) != len(item["Layers"]):
            raise ImageError(
                f"{self._files.where} has {len(item['Layers'])} layers in {MANIFEST_FILE}, "
                f"{len(diff_ids)} diff_ids in {item['Config']}"
            )
        layers = [self._layer(name, diff_id) for name, diff_id in zip(item["Layers"], diff_ids, strict=True)]
        # Not composed: the configuration's bytes, and so the image ID, stay as they are.
        manifest = {
            "schemaVersion": 2,
            "mediaType": MediaType.MANIFEST,
            "config": Descriptor(MediaType.CONFIG, Digest.of(raw_config), len(raw_config)).encode(),
            "layers": [layer.descriptor.encode() for layer in layers],
        }
        return Image.parse(encode_json(manifest), raw_config)

    def _layer(self, name: str, diff_id: Digest) -> Layer:
        size = self._files.size(name)
        if size is None:
            raise ImageError(f"{self._files.where} lacks the layer {name}, which {MANIFEST_FILE} lists")
        with self._files.open(name) as stream:
            magic = stream.read(4)
        if magic.startswith(_GZIP):
            descriptor = Descriptor(MediaType.LAYER_GZIP, self._digest(name), size)
        elif magic == _ZSTD:
            descriptor = Descriptor(MediaType.LAYER_ZSTD, self._digest(name), size)
        else:
            descriptor = Descriptor(MediaType.LAYER, diff_id, size)
        self._names[descriptor.digest] = name
        return Layer(descriptor, diff_id)

    def _digest(self, name: str) -> Digest:
        import hashlib

        found = hashlib.sha256()
        with self._files.open(name) as stream:
            while block := stream.read(_BLOCK):
                found.update(block)
        return Digest(f"sha256:{found.hexdigest()}")

    def _listing(self) -> str:
        names = [tag for item in self._items for tag in _tags(item) or [item["Config"]]]
        return f"it has {', '.join(names[:10])}{'…' if len(names) > 10 else ''}"


def _is_item(item: object) -> bool:
    if not isinstance(item, dict):
        return False
    layers, tags = item.get("Layers") or [], item.get("RepoTags") or []
    if not isinstance(layers, list) or not isinstance(tags, list) or not isinstance(item.get("Config"), str):
        return False
    item["Layers"] = layers
    return all(isinstance(name, str) for name in [*layers, *tags])


def _tags(item: Mapping[str, Any]) -> list[str]:
    return list(item.get("RepoTags") or ())


def _is_called(item: Mapping[str, Any], name: str) -> bool:
    wanted = name.removeprefix("@").removeprefix("sha256:")
    if re.fullmatch(r"[0-9a-f]{64}", wanted):
        return wanted in item["Config"]
    try:
        return Reference.parse(name) in map(Reference.parse, _tags(item))
    except MinibuildError:
        return name in _tags(item)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ImageError(f"{path} can't be read: {error.strerror}") from error


def _seekable_tar(file: BinaryIO) -> BinaryIO:
    """The file itself where it is a bare tar in a regular file; else its uncompressed content in a temporary one."""
    import tempfile

    from minibuild.layers.compression import decompressed

    if file.seekable():
        is_tar = file.read(262)[257:] == b"ustar"
        file.seek(0)
        if is_tar:
            return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - the archive closes it
    stream = decompressed(file)
    while block := stream.read(_BLOCK):
        copy.write(block)
    copy.flush()
    return copy
