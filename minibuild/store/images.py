"""Images and their names, in the store's ``index.json``.

A name stands for an image, or for an index of several platforms' images, whose manifests are blobs. An entry carries
the full reference in both annotations, so that ``skopeo inspect oci:STORE:docker.io/library/x:1`` finds it. An entry
without a name is a result that lost its name to a later one, or never had one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from minibuild.errors import ImageError
from minibuild.oci import AnyImage, Descriptor, Digest, Image, ImageIndex, Platform, Reference
from minibuild.oci.artifact import Artifact
from minibuild.oci.image import parse_manifest
from minibuild.oci.index import INDEX_TYPES, MANIFEST_TYPES, is_attached, parse_index
from minibuild.store.blobs import Blobs, disk_explained
from minibuild.store.layout import (
    FULL_NAME,
    INDEX_FILE,
    REF_NAME,
    Document,
    Documents,
    descriptor_of,
    names_of,
    read_index,
    reference_of,
    write_index,
)
from minibuild.store.locks import locked

Named: TypeAlias = tuple[Reference | None, Image]


class Images:
    """The names in a store. Many processes may change them at once: each change is one locked read and rename."""

    def __init__(self, root: Path, blobs: Blobs, lock: Path, scratch: Path) -> None:
        self._path = root / INDEX_FILE
        self._scratch = scratch
        self._blobs = blobs
        self._lock = lock
        self._read: dict[Digest, Image] = {}

    def make(self) -> None:
        """Makes an index.json, if there is none."""
        if not self._path.exists():
            self._change(lambda entries: entries)

    def entries(self) -> Documents:
        """The descriptors of index.json; raises ImageError where it is damaged."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return []
        return read_index(raw, str(self._path), "move it away: names are lost then, blobs and cache are not")

    def load(self, digest: Digest) -> Image:
        """The image of a manifest's digest, which is read once; raises ImageError where one of its documents isn't
        there.
        """
        image = self._read.get(digest)
        if image is None or digest not in self._blobs or image.id not in self._blobs:
            image = self._read[digest] = Image.parse(*self._documents(digest))
        return image

    def load_any(self, digest: Digest) -> AnyImage:
        """As ``load``, or the index of that digest with those of its images that are here; ImageError where none is."""
        raw = self._blobs.read_digest(digest)
        if "manifests" not in parse_manifest(raw):
            return self.load(digest)
        index = self.known_of(raw)
        if not index.images:
            raise ImageError(f"no image of the index {digest} is in the store")
        return index

    def known_of(self, raw: bytes) -> ImageIndex:
        """The index of these bytes with those of its images that are here."""
        images, attached = [], []
        for manifest in parse_index(raw):
            with suppress(ImageError):
                if is_attached(manifest):
                    attached.append(Artifact.parse(*self._documents(manifest.digest)))
                else:
                    images.append(self.load(manifest.digest))
        return ImageIndex.parse(raw, images, attached)

    def _documents(self, digest: Digest) -> tuple[bytes, bytes]:
        """A manifest and the configuration it names."""
        raw_manifest = self._blobs.read_digest(digest)
        config = Descriptor.parse(parse_manifest(raw_manifest).get("config") or {})
        return raw_manifest, self._blobs.read(config)

    def find(self, reference: Reference, platform: Platform | None = None) -> Image | None:
        """The image of that name; of an index, the one for a platform, None meaning this machine's. None: none, or not
        whole.
        """
        found = self.find_any(reference)
        if isinstance(found, ImageIndex):
            return found.image_for(platform or Platform.of_this_machine())
        return found

    def find_any(self, reference: Reference) -> AnyImage | None:
        """What has that very name, or is of that repository and digest; None: nothing, or not whole."""
        for entry in self.entries():
            known = reference_of(entry)
            is_sibling = bool(known and known.name == reference.name and reference.digest)
            if known == reference or (is_sibling and reference.digest == entry["digest"]):
                with suppress(ImageError):
                    return self.load_any(Digest(entry["digest"]))
            elif is_sibling and entry.get("mediaType") in INDEX_TYPES:
                with suppress(ImageError, StopIteration):
                    images = self.load_any(Digest(entry["digest"])).images
                    return next(image for image in images if image.digest == reference.digest)
        return None

    def by_id(self, prefix: str) -> AnyImage | None:
        """What has an ID or a digest of a manifest or index that starts so (with or without ``sha256:``); None:
        nothing. Raises ImageError where it fits several.
        """
        digits = prefix.removeprefix("sha256:")
        if not re.fullmatch(r"[0-9a-f]{1,64}", digits):
            return None
        listed = [image for _, image in self.listed()]
        candidates = {image.digest: image for image in [*listed, *(one for image in listed for one in image.images)]}
        found = [
            image
            for image in candidates.values()
            if image.id.hex.startswith(digits) or image.digest.hex.startswith(digits)
        ]
        if len(found) > 1:
            ids = ", ".join(sorted(image.id.short for image in found))
            raise ImageError(f"{prefix!r} begins the IDs of {len(found)} images: {ids}", hint="give more digits")
        return found[0] if found else None

    def listed(self) -> tuple[tuple[Reference | None, AnyImage], ...]:
        """All entries, one a name, in the order in which they got it; those that aren't whole any more are left out."""
        return tuple(self._listed())

    def list(self) -> tuple[Named, ...]:
        """All images, one a name; an index gives its name to each of its images."""
        return tuple((name, image) for name, found in self._listed() for image in found.images)

    def _listed(self) -> Iterator[tuple[Reference | None, AnyImage]]:
        for entry in self.entries():
            if entry.get("mediaType") in MANIFEST_TYPES | INDEX_TYPES:
                with suppress(ImageError):
                    yield reference_of(entry), self.load_any(Digest(entry["digest"]))

    def names(self, image: AnyImage) -> tuple[Reference, ...]:
        """What an image is called, or an index."""
        own = (reference_of(entry) for entry in self.entries() if entry["digest"] == image.digest)
        return tuple(reference for reference in own if reference)

    def tag(self, reference: Reference, image: AnyImage) -> None:
        """Names an image, whose documents are in the store; what had the name stays, without it."""
        name = str(reference)
        new = descriptor_of(image, {FULL_NAME: name, REF_NAME: name})

        def change(entries: Documents) -> Documents:
            if new in entries:
                return entries
            others = _without_nameless(entries, image)
            holders = [entry for entry in others if reference_of(entry) == reference]
            kept = [entry for entry in others if entry not in holders]
            alive = {entry["digest"] for entry in kept} | _own(image)
            return [*kept, *(_unnamed(entry) for entry in holders if entry["digest"] not in alive), new]

        self._change(change)

    def keep(self, image: AnyImage, names: Iterable[Reference] = ()) -> None:
        """Lists an image under these names; one that has none at all is listed without, and was of use now. Images of
        an index that have no name of their own are not listed by themselves.
        """

        def change(entries: Documents) -> Documents:
            if any(entry["digest"] == image.digest for entry in entries):
                return entries
            return [*_without_nameless(entries, image), descriptor_of(image, {})]

        for name in names:
            self.tag(name, image)
        self._change(change)
        os.utime(self._blobs.path(image.digest))

    def untag(self, reference: Reference) -> None:
        """Takes a name away; an image whose last name it was is not listed any more."""
        self._change(lambda entries: [entry for entry in entries if reference_of(entry) != reference])

    def remove(self, image: AnyImage) -> None:
        """Lists an image no more, whatever its names."""
        self._change(lambda entries: [entry for entry in entries if entry["digest"] != image.digest])

    def _change(self, change: Callable[[Documents], Documents]) -> None:
        with disk_explained(self._path.parent), locked(self._lock):
            before = self.entries()
            after = change(list(before))
            if after != before or not self._path.exists():
                replace_file(self._path, write_index(after), self._scratch)


def replace_file(path: Path, content: bytes, scratch: Path) -> None:
    """Replaces a small file at one stroke, by way of a directory of the same filesystem. It is on the disk afterwards,
    since nothing else could tell if it were torn.
    """
    draft = scratch / f".{path.name}.{os.urandom(8).hex()}"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _without_nameless(entries: Documents, image: AnyImage) -> Documents:
    own = _own(image)
    return [entry for entry in entries if entry["digest"] not in own or names_of(entry)]


def _own(image: AnyImage) -> frozenset[str]:
    return frozenset({image.digest, *(one.digest for one in image.images)})


def _unnamed(entry: Document) -> Document:
    annotations = {key: value for key, value in entry["annotations"].items() if key not in (FULL_NAME, REF_NAME)}
    bare = {key: value for key, value in entry.items() if key != "annotations"}
    return {**bare, "annotations": annotations} if annotations else bare
