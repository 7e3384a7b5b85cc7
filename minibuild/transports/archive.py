"""One tar that every loader reads: an OCI layout and a docker archive at once, streamed without a copy on disk.

``docker load`` of all versions takes ``manifest.json``, containerd and podman take ``index.json``; both name the same
blobs. Docker's form knows one platform only: of an index it has one image at most. The same image
gives the same bytes: names sorted, times and owners zero.
Source: what BuildKit's docker exporter and ``docker save`` of Docker 25 write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeAlias

from minibuild.events import Progress, Transferred
from minibuild.layers import tar
from minibuild.layers.entry import Entry, Kind
from minibuild.oci import AnyImage, Digest, Image, ImageIndex, Platform, Reference
from minibuild.oci.config import encode_json
from minibuild.store.layout import (
    FULL_NAME,
    INDEX_FILE,
    LAYOUT,
    LAYOUT_FILE,
    REF_NAME,
    Documents,
    entries_of,
    write_index,
)
from minibuild.transports.base import LayerContents

MANIFEST_FILE = "manifest.json"
_BLOCK = 1 << 20


Named: TypeAlias = tuple[AnyImage, Sequence[Reference]]
"""An image, or an index, and the names it is to have."""


def archive(
    named: Sequence[Named],
    contents: LayerContents,
    progress: Progress,
    omitted: Collection[Digest] = (),
    platform: Platform | None = None,
) -> Iterator[bytes]:
    """The archive's bytes, in pieces; what several images have in common is in it once. Layers with an ``omitted``
    diff_id are named and not there: for a daemon that has them; such an archive is no OCI layout. Of an index, Docker's
    form has the image for a platform; None: there is no such form where there is an index.
    """
    packages = [one for image, _ in named for one in image.packages]
    documents = {_blob(one.config_descriptor.digest): one.raw_config for one in packages}
    documents |= {_blob(one.digest): one.raw_manifest for one in packages}
    documents |= {_blob(image.digest): image.raw for image, _ in named if isinstance(image, ImageIndex)}
    alone = [
        (image if isinstance(image, Image) else platform and image.image_for(platform), names) for image, names in named
    ]
    if all(image for image, _ in alone):
        documents[MANIFEST_FILE] = docker_manifest([(image, names) for image, names in alone if image])
    if not omitted:
        documents |= {INDEX_FILE: write_index(_entries(named)), LAYOUT_FILE: LAYOUT}
    layers = [layer for image, _ in named for one in image.images for layer in one.layers]
    missing = {layer.descriptor.digest for layer in layers if layer.diff_id in omitted}
    wanted = (descriptor for one in packages for descriptor in one.blobs if descriptor.digest not in missing)
    blobs = {_blob(descriptor.digest): descriptor for descriptor in wanted}
    for directory in ("blobs", "blobs/sha256"):
        yield tar.encode(Entry(directory, Kind.DIRECTORY, 0o755))
    for name in sorted({*documents, *blobs}):
        if name in documents:
            content = documents[name]
            yield _header(name, len(content)) + content + tar.padding(len(content))
            continue
        descriptor = blobs[name]
        yield _header(name, descriptor.size)
        done = 0
        with contents.open(descriptor) as stream:
            while block := stream.read(_BLOCK):
                yield block
                done += len(block)
                progress(Transferred(0, descriptor.digest.short, done, descriptor.size))
        yield tar.padding(descriptor.size)
    yield tar.END


def docker_manifest(named: Sequence[tuple[Image, Sequence[Reference]]]) -> bytes:
    """``manifest.json``: where the configuration and the layers of each image lie. Names without a tag have no place
    in it.
    """
    return encode_json([_item(image, names) for image, names in named])


def _item(image: Image, names: Sequence[Reference]) -> dict[str, Any]:
    tags = [name.with_tag(name.tag).familiar() for name in names if name.tag]
    sources = {layer.diff_id: layer.descriptor.encode() for layer in image.layers}
    return {
        "Config": _blob(image.id),
        "RepoTags": tags or None,
        "Layers": [_blob(layer.descriptor.digest) for layer in image.layers],
        "LayerSources": sources,
    }


def _entries(named: Sequence[Named]) -> Documents:
    """The entries of all images, which are known by their tags, or by their full names where several have a tag."""
    entries = [entry for image, names in named for entry in entries_of(image, names)]
    tags = Counter(entry.get("annotations", {}).get(REF_NAME) for entry in entries)
    for entry in entries:
        annotations = entry.get("annotations", {})
        if FULL_NAME in annotations and tags[annotations[REF_NAME]] > 1:
            annotations[REF_NAME] = annotations[FULL_NAME]
    return entries


def _header(name: str, size: int) -> bytes:
    return tar.encode(Entry(name, Kind.FILE, 0o644, size=size))


def _blob(digest: Digest) -> str:
    return f"blobs/sha256/{digest.hex}"
