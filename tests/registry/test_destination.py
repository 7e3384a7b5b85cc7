"""Blobs and manifests on their way to a registry, over connections that break."""

from __future__ import annotations

import io
from typing import BinaryIO

import pytest

from minibuild.errors import IntegrityError, RegistryError
from minibuild.oci import Descriptor, Digest, MediaType, Reference
from minibuild.registry.destination import Destination
from tests.registry.asking import CONTENT, at, client_of
from tests.servers.registry import RegistryServer, answers, refuses, resets, says

BLOB = Descriptor(MediaType.LAYER, Digest.of(CONTENT), len(CONTENT))
MANIFEST = b'{"schemaVersion":2}'


def opened() -> BinaryIO:
    return io.BytesIO(CONTENT)


def destination_of(server: RegistryServer, name: str = "app") -> Destination:
    return client_of().destination(at(server, name))


def put(server: RegistryServer) -> list[int]:
    """Uploads the blob; answers what was reported."""
    reported: list[int] = []
    destination_of(server).put_blob(BLOB, opened, reported.append)
    return reported


def test_a_blob_arrives_whole(server: RegistryServer) -> None:
    reported = put(server)
    assert server.blobs == {BLOB.digest: CONTENT}
    assert reported == sorted(reported)
    assert reported[-1] == len(CONTENT)


def test_an_empty_blob_arrives_too(server: RegistryServer) -> None:
    empty = Descriptor(MediaType.LAYER, Digest.of(b""), 0)
    destination_of(server).put_blob(empty, io.BytesIO, [].append)
    assert server.blobs == {empty.digest: b""}


def test_what_is_there_is_known(server: RegistryServer) -> None:
    assert not destination_of(server).has(BLOB)
    put(server)
    assert destination_of(server).has(BLOB)


def test_an_upload_goes_on_where_its_connection_was_cut(server: RegistryServer) -> None:
    server.uploads.cuts += [300_000, 300_000, 100_000]
    reported = put(server)
    assert server.blobs == {BLOB.digest: CONTENT}
    ranges = [r.headers["Content-Range"] for r in server.requests if r.method == "PATCH"]
    assert ranges == [f"700000-{len(CONTENT) - 1}"]
    assert reported[-1] == len(CONTENT)


def test_an_upload_that_was_forgotten_begins_anew(server: RegistryServer) -> None:
    server.uploads.cuts, server.uploads.forgets = [300_000], True
    put(server)
    assert server.blobs == {BLOB.digest: CONTENT}


def test_a_connection_that_never_gets_anywhere_is_given_up(server: RegistryServer) -> None:
    server.uploads.cuts, server.uploads.forgets = [1000] * 9, True
    with pytest.raises(RegistryError, match=f"{BLOB.digest} can't be put into app of http://localhost.*connection"):
        put(server)


def test_a_busy_registry_is_waited_for(server: RegistryServer) -> None:
    server.fail("uploads/$", answers(429), resets)
    server.fail("uploads/upload", answers(503), answers(500))
    put(server)
    assert server.blobs == {BLOB.digest: CONTENT}


def test_a_refusal_is_final(server: RegistryServer) -> None:
    server.fail("uploads/$", refuses(403, "DENIED", "quota exceeded"))
    with pytest.raises(RegistryError, match="403 DENIED: quota exceeded"):
        put(server)
    assert len(server.requests) == 1


def test_a_token_is_got_for_pushing(server: RegistryServer) -> None:
    server.token = "secret"
    put(server)
    assert server.blobs == {BLOB.digest: CONTENT}
    assert len(server.paths("/token")) == 1


def test_a_token_that_expires_on_the_way_is_renewed(server: RegistryServer) -> None:
    server.token = "first"
    destination = destination_of(server)
    assert not destination.has(BLOB)
    server.token = "second"
    server.fail(
        "uploads/upload", refuses(401, "UNAUTHORIZED", "expired", WWW_Authenticate=f'Bearer realm="{server.url}/token"')
    )
    destination.put_blob(BLOB, opened, [].append)
    assert server.blobs == {BLOB.digest: CONTENT}


def test_a_blob_is_mounted_from_another_repository(server: RegistryServer) -> None:
    server.add_blob(CONTENT)
    assert destination_of(server).mount(BLOB, "base")
    assert server.requests[-1].query == {"mount": BLOB.digest, "from": "base"}


def test_what_cannot_be_mounted_leaves_no_upload(server: RegistryServer) -> None:
    assert not destination_of(server).mount(BLOB, "base")
    assert server.requests[-1].method == "DELETE"


def test_a_repository_that_may_not_be_read_is_no_obstacle(server: RegistryServer) -> None:
    server.fail("mount", refuses(403, "DENIED", "not yours"))
    assert not destination_of(server).mount(BLOB, "secret")


def test_a_manifest_is_put_under_its_tag(server: RegistryServer) -> None:
    destination_of(server).put_manifest("1", MediaType.MANIFEST, MANIFEST)
    assert server.manifests["app/1"] == (MediaType.MANIFEST, MANIFEST)


def test_a_registry_that_keeps_another_manifest_is_found_out(server: RegistryServer) -> None:
    server.fail("manifests", says(Docker_Content_Digest=Digest.of(b"other")))
    with pytest.raises(IntegrityError, match="took the manifest"):
        destination_of(server).put_manifest("1", MediaType.MANIFEST, MANIFEST)


def test_mirrors_are_not_written_to(server: RegistryServer, other: RegistryServer) -> None:
    destination = client_of(other.url).destination(Reference.parse(f"{server.host}/app"))
    destination.put_manifest("1", MediaType.MANIFEST, MANIFEST)
    assert not other.requests


def test_an_upload_may_not_be_sent_to_this_machines_own_link(server: RegistryServer) -> None:
    server.fail("uploads/$", answers(202, Location="http://169.254.169.254/latest"))
    with pytest.raises(RegistryError, match=r"wants the blob at http://169\.254\.169\.254"):
        put(server)
