"""What attests something of an image, when the image gets another manifest: the same words about the new one."""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.oci.artifact import Artifact
from minibuild.oci.attestation import statements_in
from minibuild.oci.digest import Digest
from minibuild.store.blobs import Blobs


def renewed(attestation: Artifact, changed: Mapping[Digest, Digest], blobs: Blobs) -> Artifact:
    """The attestation with other digests of manifests in its statements, which are kept as blobs.

    A digest means the same wherever it stands, and all are of one length: so they are replaced in the bytes, and sizes
    stay what they were.
    """
    changes = dict(changed)
    for blob in statements_in(attestation).values():
        with blobs.open(blob) as stream:
            changes[blob.digest] = blobs.add(_replaced(stream.read(), changed))
    raw_config = _replaced(attestation.raw_config, changes)
    changes[Digest.of(attestation.raw_config)] = Digest.of(raw_config)
    return Artifact.parse(_replaced(attestation.raw_manifest, changes), raw_config)


def _replaced(raw: bytes, changes: Mapping[Digest, Digest]) -> bytes:
    for old, new in changes.items():
        raw = raw.replace(old.hex.encode(), new.hex.encode())
    return raw
