"""Images in an OCI layout, wherever its files lie: which entry of index.json is meant, and what it leads to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from minibuild.errors import ImageError, MinibuildError
from minibuild.oci import AnyImage, Descriptor, Digest, Image, ImageIndex, MediaType, Platform, Reference
from minibuild.oci.artifact import Artifact
from minibuild.oci.image import parse_manifest
from minibuild.oci.index import INDEX_TYPES, MANIFEST_TYPES, choose, is_attached, parse_index
from minibuild.store.blobs import DOCUMENT_LIMIT
from minibuild.store.layout import INDEX_FILE, LAYOUT_FILE, Document, names_of, read_index, reference_of
from minibuild.store.verifying import verified
from minibuild.transports.files import Files, read

_DEEPEST = 4


class Layout:
    """A layout to read from. ``pin`` says which image is meant whatever reference is asked for: a tag, a full name, a
    digest, or a name and a digest; "" leaves it to the reference, or to the layout where it has one image only.
    """

    def __init__(self, files: Files, pin: str = "") -> None:
        self._files = files
        self._pin = pin

    def resolve(self, reference: Reference, platform: Platform) -> Image:
        """The image that is meant, for a platform; raises ImageError where there is none, or no single one."""
        image = self._image(self._meant(reference), platform)
        found = image.config.platform
        if (found.os, found.architecture) != (platform.os, platform.architecture):
            raise ImageError(f"the image in {self._files.where} is for {found}, wanted {platform}")
        return image

    def whole(self) -> AnyImage:
        """What the pin means, whatever it is for: an index where there are several platforms."""
        meant = [self._whole(descriptor) for descriptor in self._meant(None)]
        return meant[0] if len(meant) == 1 else ImageIndex.of([image for one in meant for image in one.images])

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob, verified as it is read."""
        name = _blob(descriptor.digest)
        size = self._files.size(name)
        if size != descriptor.size:
            found = "isn't there" if size is None else f"has {size} bytes, its descriptor says {descriptor.size}"
            raise ImageError(f"blob {descriptor.digest} of {self._files.where} {found}")
        return verified(self._files.open(name), descriptor.digest, f"blob {descriptor.digest} of {self._files.where}")

    def manifest(self, platform: Platform) -> bytes:
        """The manifest that the pin means, whatever it is of; of an index, the one for a platform."""
        return self._manifest(self._meant(None), platform)

    def images(self, platform: Platform | None) -> Iterator[tuple[tuple[Reference, ...], AnyImage]]:
        """All images for a platform, each with its names, in the index's order; None: for any, so that what is for
        several is an index of those that are here.
        """
        entries = self._entries()
        for digest in dict.fromkeys(entry["digest"] for entry in entries):
            own = [entry for entry in entries if entry["digest"] == digest]
            names = tuple(filter(None, map(reference_of, own)))
            descriptor = Descriptor.parse(own[0])
            yield names, self._image([descriptor], platform) if platform else self._whole(descriptor)

    def _entries(self) -> list[Document]:
        if self._files.size(LAYOUT_FILE) is None:
            raise ImageError(f"{self._files.where} is no OCI layout: it has no file {LAYOUT_FILE}")
        entries = read_index(read(self._files, INDEX_FILE), f"{INDEX_FILE} of {self._files.where}")
        images = [entry for entry in entries if _is_image(entry)]
        if not images:
            raise ImageError(f"{self._files.where} has no image")
        return images

    def _meant(self, reference: Reference | None) -> Sequence[Descriptor]:
        """The descriptors that answer to the pin, or else to the reference: one, or one a platform."""
        entries = self._entries()
        name, _, digest = self._pin.rpartition("@") if "@" in self._pin else (self._pin, "", "")
        if digest:
            return [self._by_digest(Digest.parse(digest), entries)]
        if name:
            meant = [entry for entry in entries if _is_called(entry, name)]
            if not meant:
                raise ImageError(f"{self._files.where} has no image {name!r}", hint=_listing(entries))
        else:
            meant = [entry for entry in entries if reference_of(entry) == reference] or entries
        unique = {entry["digest"]: Descriptor.parse(entry) for entry in meant}
        if len(unique) > 1 and len({names_of(entry) for entry in meant}) > 1:
            raise ImageError(
                f"{self._files.where} has {len(unique)} images, one must be chosen", hint=_listing(entries)
            )
        return list(unique.values())

    def _by_digest(self, digest: Digest, entries: Sequence[Document]) -> Descriptor:
        for entry in entries:
            if entry["digest"] == digest:
                return Descriptor.parse(entry)
        # One platform's manifest, which stands in an index only.
        size = self._files.size(_blob(digest))
        if size is None:
            raise ImageError(f"{self._files.where} has no image {digest}", hint=_listing(entries))
        document = parse_manifest(self._document(Descriptor("", digest, size)))
        return Descriptor(MediaType.INDEX if "manifests" in document else MediaType.MANIFEST, digest, size)

    def _image(self, candidates: Sequence[Descriptor], platform: Platform) -> Image:
        return Image.parse(*self._with_config(self._manifest(candidates, platform)))

    def _whole(self, descriptor: Descriptor) -> AnyImage:
        """An image; an index of those that are here; or where that is one alone with nothing attached, that one."""
        raw = self._document(descriptor)
        if descriptor.media_type not in INDEX_TYPES:
            return Image.parse(*self._with_config(raw))
        images, attached = [], []
        for listed in parse_index(raw):
            if self._files.size(_blob(listed.digest)) is None:
                continue
            documents = self._with_config(self._document(listed))
            if is_attached(listed):
                attached.append(Artifact.parse(*documents))
            else:
                images.append(Image.parse(*documents))
        if not images:
            raise ImageError(f"{self._files.where} has no image of the index {descriptor.digest}")
        return images[0] if len(images) == 1 and not attached else ImageIndex.parse(raw, images, attached)

    def _with_config(self, raw: bytes) -> tuple[bytes, bytes]:
        """A manifest and the configuration that it names."""
        return raw, self._document(Descriptor.parse(parse_manifest(raw).get("config") or {}))

    def _manifest(self, candidates: Sequence[Descriptor], platform: Platform) -> bytes:
        chosen = candidates[0] if len(candidates) == 1 else None
        for _ in range(_DEEPEST):
            chosen = chosen or choose(candidates, platform)
            if chosen is None:
                offered = ", ".join(str(item.platform) for item in candidates if item.platform)
                raise ImageError(f"{self._files.where} has {offered or 'no platform'}, wanted {platform}")
            raw = self._document(chosen)
            if chosen.media_type not in INDEX_TYPES:
                return raw
            candidates, chosen = parse_index(raw), None
        raise ImageError(f"{self._files.where} has indices within indices")

    def _document(self, descriptor: Descriptor) -> bytes:
        if descriptor.size > DOCUMENT_LIMIT:
            what = f"a document of {descriptor.size} bytes ({descriptor.digest}), at most 4 MiB are read"
            raise ImageError(f"{self._files.where} has {what}")
        with self.open(descriptor) as stream:
            return stream.read()


def _blob(digest: str) -> str:
    return f"blobs/sha256/{Digest.parse(digest).hex}"


def _is_image(entry: Document) -> bool:
    # BuildKit gives attestations a platform that nothing runs on.
    is_attestation = (entry.get("platform") or {}).get("os") == "unknown"
    return entry.get("mediaType") in INDEX_TYPES | MANIFEST_TYPES and not is_attestation


def _is_called(entry: Document, name: str) -> bool:
    if name in names_of(entry):
        return True
    try:
        return reference_of(entry) == Reference.parse(name)
    except MinibuildError:
        return False


def _listing(entries: Sequence[Document]) -> str:
    names = sorted({names_of(entry)[0] if names_of(entry) else str(entry["digest"]) for entry in entries})
    return f"it has {', '.join(names[:10])}{'…' if len(names) > 10 else ''}"
