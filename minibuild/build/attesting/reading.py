"""What others have attested of an image: read where the image is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO, TypeAlias

from minibuild.oci import AnyImage, Descriptor, Image, Reference
from minibuild.oci.artifact import Artifact
from minibuild.oci.attestation import predicate_of, statements_in
from minibuild.oci.index import REFERENCE_DIGEST, parse_index
from minibuild.store import Store
from minibuild.transports.registry import Registry

Json: TypeAlias = dict[str, Any]


def stored(found: AnyImage, image: Image, kind: str, store: Store) -> Json | None:
    """The predicate of that type beside an image of an index in a store; None: there is none."""
    return _first(found.attached_to(image), kind, store.open)


def published(reference: Reference, image: Image, kind: str, registry: Registry) -> Json | None:
    """The same where a registry has the index under this name; nothing else of it is fetched."""
    raw = registry.document(reference)
    if b'"manifests"' not in raw:
        return None
    about = [one for one in parse_index(raw) if one.annotations.get(REFERENCE_DIGEST) == image.digest]
    artifacts = [Artifact.parse(registry.document(reference.with_digest(one.digest)), b"") for one in about]
    return _first(tuple(artifacts), kind, lambda blob: registry.blob(reference, blob))


def _first(artifacts: tuple[Artifact, ...], kind: str, open_blob: Callable[[Descriptor], BinaryIO]) -> Json | None:
    for artifact in artifacts:
        if (blob := statements_in(artifact).get(kind)) is not None:
            with open_blob(blob) as stream:
                return predicate_of(stream.read())
    return None
