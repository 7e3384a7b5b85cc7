"""What is said of an image beside it: in-toto statements, as layers of a manifest in the image's index.

Source: in-toto's Statement v1; BuildKit's docs/attestations/attestation-storage.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import quote

from minibuild.oci.artifact import Artifact
from minibuild.oci.config import encode_json
from minibuild.oci.digest import Digest
from minibuild.oci.image import Descriptor, Image, MediaType
from minibuild.oci.platform import Platform
from minibuild.oci.reference import Reference

IN_TOTO = "application/vnd.in-toto+json"
PREDICATE_TYPE = "in-toto.io/predicate-type"
SPDX, SLSA_PROVENANCE = "https://spdx.dev/Document", "https://slsa.dev/provenance/v1"
FILE_NAMES: Mapping[str, str] = {SPDX: "sbom.spdx.json", SLSA_PROVENANCE: "provenance.json"}
"""What BuildKit calls the statements in files, by the types of their predicates."""
LARGEST_STATEMENT = 40 << 20
"""Bytes; BuildKit reads no more."""

_STATEMENT = "https://in-toto.io/Statement/v1"
_NAMELESS = "_"

Json: TypeAlias = dict[str, Any]


def statement(subjects: Iterable[tuple[str, Digest]], predicate_type: str, predicate: Json) -> bytes:
    """A statement about these names and the digests that they have."""
    listed = [{"name": name, "digest": {"sha256": digest.hex}} for name, digest in subjects]
    return encode_json(
        {"_type": _STATEMENT, "subject": listed, "predicateType": predicate_type, "predicate": predicate}
    )


def subjects_of(image: Image, names: Sequence[Reference]) -> list[tuple[str, Digest]]:
    """The image under each of its names, as BuildKit writes them."""
    return [(name, image.digest) for name in [purl_of(name, image.config.platform) for name in names] or [_NAMELESS]]


def purl_of(name: Reference, platform: Platform) -> str:
    """A package URL of docker's kind: ``pkg:docker/alpine@3?platform=linux%2Famd64``."""
    path = name.with_tag("").familiar()
    version = f"@{name.tag}" if name.tag else ""
    digest = f"digest={name.digest}&" if name.digest else ""
    return f"pkg:docker/{quote(path, safe='/:')}{version}?{digest}platform={quote(str(platform), safe='')}"


def attestation(statements: Mapping[str, bytes]) -> Artifact:
    """The manifest of statements, by the types of their predicates; its configuration is that of an image that runs
    nowhere, which registries of any age take.
    """
    blobs = [
        Descriptor(IN_TOTO, Digest.of(raw), len(raw), {PREDICATE_TYPE: predicate_type})
        for predicate_type, raw in statements.items()
    ]
    config = {
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [blob.digest for blob in blobs]},
    }
    return Artifact.compose(MediaType.CONFIG, encode_json(config), blobs)


def statements_in(artifact: Artifact) -> Mapping[str, Descriptor]:
    """The statements of a manifest, by the types of their predicates; none where it is of another kind."""
    return {
        blob.annotations[PREDICATE_TYPE]: blob
        for blob in artifact.blobs
        if blob.media_type == IN_TOTO and PREDICATE_TYPE in blob.annotations and blob.size <= LARGEST_STATEMENT
    }


def predicate_of(raw: bytes) -> Json | None:
    """What a statement says; None where it is none."""
    try:
        document = json.loads(raw)
        return dict(document["predicate"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
