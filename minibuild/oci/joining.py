"""Indices made of what was built apart: images and other indices under one name, and what is said of each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from minibuild.errors import ImageError
from minibuild.oci.digest import Digest
from minibuild.oci.image import Descriptor, Image
from minibuild.oci.index import REFERENCE_DIGEST, AnyImage, ImageIndex, is_attached, listed
from minibuild.oci.platform import Platform

Entry: TypeAlias = dict[str, Any]
"""A descriptor in an index, as the JSON object that it is."""


def join(sources: Mapping[str, AnyImage], annotations: Mapping[str, str]) -> ImageIndex:
    """The index of all images that these are and have, by what people call them, and of what is attached to them.

    Raises ImageError where two are for the same platform: nobody would ever see the second.
    """
    entries: dict[Digest, Entry] = {}
    holders: dict[Platform, str] = {}
    for word, source in sources.items():
        for entry in _entries(source):
            descriptor = Descriptor.parse(entry)
            if descriptor.digest in entries:
                continue
            entries[descriptor.digest] = entry
            if descriptor.platform and not is_attached(descriptor):
                first = holders.setdefault(descriptor.platform, word)
                if first != word:
                    raise ImageError(f"{first} and {word} both have an image for {descriptor.platform}")
    return _composed(list(entries.values()), list(sources.values()), annotations)


def amended(index: ImageIndex, sources: Mapping[str, AnyImage], annotations: Mapping[str, str]) -> ImageIndex:
    """The index with more images; one for a platform that it has takes that one's place, and what is attached to it."""
    new = join(sources, {})
    platforms = {item.platform for item in new.manifests if not is_attached(item)}
    gone = {item.digest for item in index.manifests if item.platform in platforms and not is_attached(item)}
    kept = [entry for entry in index.entries if not {entry["digest"], _about(entry)} & gone]
    known = {entry["digest"] for entry in kept}
    entries = [*kept, *(entry for entry in new.entries if entry["digest"] not in known)]
    return _composed(entries, [index, new], {**index.annotations, **annotations})


def changed(index: ImageIndex, digest: Digest, change: Callable[[Entry], Entry]) -> ImageIndex:
    """The index with one of its entries otherwise."""
    entries = [change(entry) if entry["digest"] == digest else entry for entry in index.entries]
    return _composed(entries, [index], index.annotations)


def _entries(source: AnyImage) -> Sequence[Entry]:
    """What an index has of a source: of another index, what of it is here."""
    if isinstance(source, Image):
        return [listed(source).encode()]
    here = {one.digest for one in source.packages}
    return [entry for entry in source.entries if entry["digest"] in here]


def _about(entry: Entry) -> str:
    return str((entry.get("annotations") or {}).get(REFERENCE_DIGEST, ""))


def _composed(entries: Sequence[Entry], sources: Sequence[AnyImage], annotations: Mapping[str, str]) -> ImageIndex:
    images = {image.digest: image for source in sources for image in source.images}
    attached = {one.digest: one for source in sources if isinstance(source, ImageIndex) for one in source.attached}
    digests = [entry["digest"] for entry in entries]
    index = ImageIndex.compose([images[digest] for digest in digests if digest in images], entries, annotations)
    return replace(index, attached=tuple(attached[digest] for digest in digests if digest in attached))
