"""``index.json`` of an image layout: which manifests it names, and how the names are written.

Descriptors stay the JSON objects they were, since other tools put keys of their own into them.
Source: image-spec image-layout.md; the two annotations are those that containerd, skopeo and podman read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from minibuild.errors import ImageError, MinibuildError
from minibuild.oci import AnyImage, Descriptor, Image, MediaType, Reference
from minibuild.oci.index import listed

LAYOUT_FILE = "oci-layout"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
INDEX_FILE = "index.json"
FULL_NAME = "io.containerd.image.name"
REF_NAME = "org.opencontainers.image.ref.name"
CREATED = "org.opencontainers.image.created"

Document: TypeAlias = dict[str, Any]
Documents: TypeAlias = list[Document]


def read_index(raw: bytes, where: str, hint: str = "") -> Documents:
    """The descriptors of an index.json, in its order; raises ImageError, with the hint, where it isn't one."""
    try:
        document = json.loads(raw)
        manifests = document["manifests"]
        if not isinstance(manifests, list):
            raise TypeError("its manifests are no list")
        for manifest in manifests:
            Descriptor.parse(manifest)
        return manifests
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MinibuildError) as error:
        raise ImageError(f"{where} is no index of an image layout ({error})", hint=hint) from error


def write_index(manifests: Sequence[Document]) -> bytes:
    """An index.json of these descriptors."""
    document = {"schemaVersion": 2, "mediaType": MediaType.INDEX, "manifests": manifests}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def descriptor_of(image: AnyImage, annotations: Mapping[str, str]) -> Document:
    """An image's entry of an index: its manifest, its platform, these annotations; or the entry of an index."""
    descriptor = listed(image) if isinstance(image, Image) else image.descriptor
    return replace(descriptor, annotations={**descriptor.annotations, **annotations}).encode()


def entries_of(image: AnyImage, names: Iterable[Reference]) -> Documents:
    """An image's entries of an index, as BuildKit writes them: one a name, or one without where there is none."""
    created = {CREATED: image.images[-1].config.created} if image.images[-1].config.created else {}
    named = [{FULL_NAME: str(name), REF_NAME: name.tag or str(name), **created} for name in names]
    return [descriptor_of(image, annotations) for annotations in named or [created]]


def names_of(manifest: Document) -> tuple[str, ...]:
    """All that an entry is called: a full reference, a tag, or what another tool wrote."""
    annotations = manifest.get("annotations") or {}
    return tuple(str(annotations[key]) for key in (FULL_NAME, REF_NAME) if annotations.get(key))


def reference_of(manifest: Document) -> Reference | None:
    """The reference that an entry is named by; None where it has no name, or one that is no reference."""
    for name in names_of(manifest):
        if "/" in name or ":" in name:
            try:
                return Reference.parse(name)
            except MinibuildError:
                continue
    return None
