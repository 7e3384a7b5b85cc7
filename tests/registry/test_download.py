"""Blobs: taken up in their middle, measured and verified."""

from __future__ import annotations

import pytest

from minibuild.errors import ImageError, IntegrityError, RegistryError
from minibuild.oci import Descriptor, Digest, MediaType, Reference
from minibuild.registry.download import Download
from tests.registry.asking import CONTENT, at, client_of, fetched
from tests.servers.registry import (
    RegistryServer,
    answers,
    cuts,
    gives,
)


def test_a_cut_download_goes_on_where_it_was_cut(server: RegistryServer) -> None:
    descriptor = server.add_blob(CONTENT)
    server.fail("blobs", cuts(300_000), cuts(200_000))
    assert fetched(client_of(), at(server, "app"), descriptor) == CONTENT
    assert [request.headers.get("Range") for request in server.requests] == [None, "bytes=300000-", "bytes=500000-"]


def test_a_server_that_knows_no_ranges_is_read_past_what_came_before(server: RegistryServer) -> None:
    descriptor = server.add_blob(CONTENT)
    server.fail("blobs", cuts(300_000), answers(200, CONTENT))
    assert fetched(client_of(), at(server, "app"), descriptor) == CONTENT
    assert len(server.requests) == 2


def test_a_part_other_than_asked_for_is_refused(server: RegistryServer) -> None:
    descriptor = server.add_blob(CONTENT)
    server.fail("blobs", cuts(300_000), answers(206, CONTENT[1:], Content_Range=f"bytes 1-{len(CONTENT) - 1}/*"))
    with client_of().blob(at(server, "app"), descriptor) as stream, pytest.raises(RegistryError, match="bytes 1-"):
        stream.read()


def test_a_download_that_is_cut_again_and_again_is_given_up(server: RegistryServer) -> None:
    descriptor = server.add_blob(CONTENT)
    server.fail("blobs", *[cuts(10)] * 9)
    with client_of().blob(at(server, "app"), descriptor) as stream, pytest.raises(RegistryError, match="cut 3 times"):
        stream.read()


def test_a_download_that_gets_on_has_patience_for_many_cuts(server: RegistryServer) -> None:
    content = CONTENT * 8
    descriptor = server.add_blob(content)
    server.fail("blobs", *[cuts(1 << 20)] * 7)
    assert fetched(client_of(), at(server, "app"), descriptor) == content


def test_other_bytes_than_the_digest_names_are_an_error_before_the_last_one_is_given(server: RegistryServer) -> None:
    descriptor = server.add_blob(CONTENT)
    server.fail("blobs", gives(CONTENT[:-1] + b"!"))
    with client_of().blob(at(server, "app"), descriptor) as stream:
        stream.read(len(CONTENT) // 2)
        with pytest.raises(IntegrityError, match=f"wanted {descriptor.digest}"):
            stream.read(len(CONTENT) - len(CONTENT) // 2)


@pytest.mark.parametrize("body", [CONTENT + b"!", CONTENT[:-1], b""], ids=["more", "less", "none"])
def test_more_or_fewer_bytes_than_promised_are_an_error_at_once(server: RegistryServer, body: bytes) -> None:
    descriptor = server.add_blob(CONTENT)
    server.fail("blobs", gives(body))
    with pytest.raises(IntegrityError, match=f"it has {len(body)} bytes, wanted {len(CONTENT)}"):
        client_of().blob(at(server, "app"), descriptor)


def test_bytes_after_the_promised_ones_are_not_read(server: RegistryServer) -> None:
    descriptor = server.add_blob(CONTENT)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT) + 5, CONTENT + b"extra")
    server.fail("blobs", answers(200, chunked, Transfer_Encoding="chunked"))
    assert fetched(client_of(), at(server, "app"), descriptor) == CONTENT


def test_an_empty_blob_is_verified_too(server: RegistryServer) -> None:
    assert fetched(client_of(), at(server, "app"), server.add_blob(b"")) == b""
    wrong = Descriptor(MediaType.LAYER, Digest.of(b"x"), 0)
    server.blobs[wrong.digest] = b""
    with client_of().blob(at(server, "app"), wrong) as stream, pytest.raises(IntegrityError):
        stream.read()


def test_a_document_is_read_whole_and_verified(server: RegistryServer) -> None:
    descriptor = server.add_blob(b"{}", MediaType.CONFIG)
    assert client_of().document(at(server, "app"), descriptor) == b"{}"
    server.fail("blobs", gives(b"[]"))
    with pytest.raises(IntegrityError, match=f"{descriptor.digest} of {server.host}/app:latest can't be had"):
        client_of().document(at(server, "app"), descriptor)


def test_a_document_too_large_is_not_even_asked_for(server: RegistryServer) -> None:
    with pytest.raises(ImageError, match="more than the 4194304 allowed"):
        client_of().document(at(server, "app"), Descriptor(MediaType.CONFIG, Digest.of(b""), 5 << 20))
    assert not server.requests


def test_a_blob_refused_by_who_takes_it_is_taken_from_the_next_place(
    server: RegistryServer, other: RegistryServer
) -> None:
    descriptor = server.add_blob(CONTENT)
    other.add_blob(CONTENT)
    server.fail("blobs", gives(bytes(len(CONTENT))))

    def take(download: Download) -> bytes:
        content = b"".join(download)
        if Digest.of(content) != descriptor.digest:
            raise IntegrityError("not what was promised")
        return content

    reference = Reference.parse("registry.test/app")
    assert client_of(server.url, other.url).fetch(reference, descriptor, take) == CONTENT
    assert (len(server.requests), len(other.requests)) == (1, 1)
