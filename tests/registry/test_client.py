"""Manifests, and the places they are asked for."""

from __future__ import annotations

import socket

import pytest

from minibuild.errors import IntegrityError, RegistryError
from minibuild.oci import Digest, MediaType, Reference
from minibuild.registry.client import Client
from tests.registry.asking import HASTY, at, client_of
from tests.servers.registry import (
    RegistryServer,
    gives,
    refuses,
    says,
)

# Manifests


def test_a_manifest_is_asked_for_in_all_four_types(server: RegistryServer) -> None:
    digest = server.add_image("app:1")
    raw = client_of().manifest(at(server, "app:1"))
    assert Digest.of(raw) == digest
    assert server.requests[0].headers["Accept"].split(", ") == [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]


def test_a_pinned_manifest_is_asked_for_by_its_digest(server: RegistryServer) -> None:
    digest = server.add_image("app:1")
    client_of().manifest(at(server, f"app:other@{digest}"))
    assert server.paths() == [f"/v2/app/manifests/{digest}"]


def test_a_pinned_manifest_must_have_its_digest(server: RegistryServer) -> None:
    digest = server.add_image("app:1")
    server.fail("manifests", gives(b'{"schemaVersion":2}'))
    with pytest.raises(IntegrityError, match=f"it has digest sha256:[0-9a-f]+, wanted {digest}"):
        client_of().manifest(at(server, f"app@{digest}"))


def test_a_manifest_must_have_the_digest_that_the_registry_says_it_has(server: RegistryServer) -> None:
    server.add_image("app:1")
    server.fail("manifests", says(Docker_Content_Digest=Digest.of(b"a lie")))
    with pytest.raises(IntegrityError, match=f"wanted {Digest.of(b'a lie')}"):
        client_of().manifest(at(server, "app:1"))


def test_a_manifest_may_have_4_mebibytes_and_no_more(server: RegistryServer) -> None:
    for size in (4 << 20, (4 << 20) + 1):
        server.manifests[f"app/{size}"] = (MediaType.MANIFEST, b"x" * size)
    assert len(client_of().manifest(at(server, f"app:{4 << 20}"))) == 4 << 20
    with pytest.raises(RegistryError, match="more than the 4194304 bytes allowed"):
        client_of().manifest(at(server, f"app:{(4 << 20) + 1}"))


# What isn't there


def test_a_missing_tag_is_answered_with_the_nearest_one(server: RegistryServer) -> None:
    server.add_image("app:18.13.0")
    with pytest.raises(RegistryError) as caught:
        client_of().manifest(at(server, "app:18.13"))
    assert caught.value.message == (
        f"{server.host}/app:18.13 can't be had from {server.url} (404 MANIFEST_UNKNOWN: manifest unknown)"
    )
    assert caught.value.hint == "did you mean 18.13.0?"


def test_a_missing_tag_like_none_there_is_answered_with_those_there_are(server: RegistryServer) -> None:
    server.add_image("app:one")
    server.add_image("app:two")
    with pytest.raises(RegistryError) as caught:
        client_of().manifest(at(server, "app:zzz"))
    assert caught.value.hint == "its tags are one, two"


def test_a_missing_repository_is_said_to_be_missing(server: RegistryServer) -> None:
    with pytest.raises(RegistryError) as caught:
        client_of().manifest(at(server, "nothing/here"))
    assert caught.value.hint == "there is no repository nothing/here"


def test_what_a_server_says_cannot_steer_a_terminal(server: RegistryServer) -> None:
    server.fail("manifests", refuses(403, "DENIED", "\x1b]0;owned\x07\nno" + "!" * 1000))
    with pytest.raises(RegistryError) as caught:
        client_of().manifest(at(server, "app"))
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


# Places


def test_the_first_mirror_that_has_it_is_asked_alone(server: RegistryServer, other: RegistryServer) -> None:
    server.add_image("team/app:1")
    client_of(server.url, other.url).manifest(Reference.parse("registry.test/team/app:1"))
    assert server.paths() == ["/v2/team/app/manifests/1"]
    assert not other.requests


def test_the_path_of_a_mirror_goes_along(server: RegistryServer) -> None:
    server.token = "secret"
    server.add_image("hub/app:1")
    client_of(f"{server.url}/hub").manifest(Reference.parse("registry.test/app:1"))
    assert server.requests[1].query["scope"] == "repository:hub/app:pull"


def test_a_mirror_that_lacks_it_or_lies_gives_way_to_the_next(server: RegistryServer, other: RegistryServer) -> None:
    digest = other.add_image("app:1")
    server.fail("manifests", gives(b"{}"))
    client = client_of("http://127.0.0.1:1", server.url, other.url)
    assert Digest.of(client.manifest(Reference.parse(f"registry.test/app@{digest}"))) == digest


def test_an_error_names_all_places_and_why_each_failed(server: RegistryServer) -> None:
    with pytest.raises(RegistryError) as caught:
        client_of("http://127.0.0.1:1", server.url).manifest(Reference.parse("registry.test/app:1"))
    assert caught.value.message == (
        "registry.test/app:1 can't be had from http://127.0.0.1:1 (Connection refused)"
        f" nor from {server.url} (404 MANIFEST_UNKNOWN: manifest unknown)"
        " nor from https://registry.test"
        " (the proxy http://127.0.0.1:1 doesn't let us through: Connection refused)"
    )


def test_a_registry_out_of_reach_makes_a_mirror_come_to_mind() -> None:
    with pytest.raises(RegistryError, match="Connection refused") as caught:
        Client({}, {}, HASTY).manifest(Reference.parse("localhost:1/app"))
    assert "--registry-mirror" in caught.value.hint


def test_a_place_out_of_reach_is_not_asked_again(server: RegistryServer) -> None:
    server.add_image("app:1")
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # Nobody listens, so connections are refused.
        client = client_of(f"http://127.0.0.1:{silent.getsockname()[1]}", server.url)
        client.manifest(Reference.parse("registry.test/app:1"))
        silent.listen()
        client.manifest(Reference.parse("registry.test/app:1"))
        silent.setblocking(False)
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert len(server.requests) == 2
