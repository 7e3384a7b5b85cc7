"""Images and their names, in the store's ``index.json``.

An entry carries the full reference in both annotations, so that ``skopeo inspect oci:STORE:docker.io/library/x:1``
finds it. An entry without a name is a result that lost its name to a later one, or never had one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from minibuild.errors import ImageError
from minibuild.oci import Descriptor, Digest, Image, Reference
from minibuild.oci.image import parse_manifest
from minibuild.oci.index import MANIFEST_TYPES
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
        """The image of a manifest's digest; raises ImageError where one of its documents isn't there."""
        raw_manifest = self._blobs.read_digest(digest)
        config = Descriptor.parse(parse_manifest(raw_manifest).get("config") or {})
        return Image.parse(raw_manifest, self._blobs.read(config))

    def find(self, reference: Reference) -> Image | None:
        """The image of that very name, or of that repository and manifest digest; None: none, or not whole."""
        for entry in self.entries():
            known = reference_of(entry)
            by_digest = known and reference.digest == entry["digest"] and known.name == reference.name
            if known == reference or by_digest:
                with suppress(ImageError):
                    return self.load(Digest(entry["digest"]))
        return None

    def by_id(self, prefix: str) -> Image | None:
        """The image whose ID or manifest digest starts so (with or without ``sha256:``); None: no such image.

        Raises ImageError where it fits several.
        """
        digits = prefix.removeprefix("sha256:")
        if not re.fullmatch(r"[0-9a-f]{1,64}", digits):
            return None
        found = {
            image.digest: image
            for _, image in self.list()
            if image.id.hex.startswith(digits) or image.digest.hex.startswith(digits)
        }
        if len(found) > 1:
            ids = ", ".join(sorted(image.id.short for image in found.values()))
            raise ImageError(f"{prefix!r} begins the IDs of {len(found)} images: {ids}", hint="give more digits")
        return next(iter(found.values()), None)

    def list(self) -> tuple[Named, ...]:
        """All images, one a name, in the order in which they got it; those that aren't whole any more are left out."""
        return tuple(self._images())

    def _images(self) -> Iterator[Named]:
        for entry in self.entries():
            if entry.get("mediaType") in MANIFEST_TYPES:
                with suppress(ImageError):
                    yield reference_of(entry), self.load(Digest(entry["digest"]))

    def names(self, image: Image) -> tuple[Reference, ...]:
        """What an image is called."""
        own = (reference_of(entry) for entry in self.entries() if entry["digest"] == image.digest)
        return tuple(reference for reference in own if reference)

    def tag(self, reference: Reference, image: Image) -> None:
        """Names an image, whose documents are in the store; an image that had the name stays, without it."""
        name = str(reference)
        new = descriptor_of(image, {FULL_NAME: name, REF_NAME: name})

        def change(entries: Documents) -> Documents:
            if new in entries:
                return entries
            others = [entry for entry in entries if entry["digest"] != image.digest or names_of(entry)]
            holders = [entry for entry in others if reference_of(entry) == reference]
            kept = [entry for entry in others if entry not in holders]
            alive = {entry["digest"] for entry in kept} | {image.digest}
            return [*kept, *(_unnamed(entry) for entry in holders if entry["digest"] not in alive), new]

        self._change(change)

    def keep(self, image: Image, names: Iterable[Reference] = ()) -> None:
        """Lists an image under these names; one that has none at all is listed without."""

        def change(entries: Documents) -> Documents:
            listed = any(entry["digest"] == image.digest for entry in entries)
            return entries if listed else [*entries, descriptor_of(image, {})]

        for name in names:
            self.tag(name, image)
        self._change(change)

    def untag(self, reference: Reference) -> None:
        """Takes a name away; an image whose last name it was is not listed any more."""
        self._change(lambda entries: [entry for entry in entries if reference_of(entry) != reference])

    def remove(self, image: Image) -> None:
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


def _unnamed(entry: Document) -> Document:
    annotations = {key: value for key, value in entry["annotations"].items() if key not in (FULL_NAME, REF_NAME)}
    bare = {key: value for key, value in entry.items() if key != "annotations"}
    return {**bare, "annotations": annotations} if annotations else bare
