"""Tokens: fetched, kept, renewed, and shown to nobody else."""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from minibuild.errors import RegistryError
from minibuild.oci import Reference
from minibuild.registry.auth import Challenge, parse_challenges
from minibuild.registry.client import Client
from tests.registry.asking import CONTENT, HASTY, at, client_of, fetched
from tests.servers.registry import (
    RegistryServer,
    answers,
    redirects,
    refuses,
    resets,
)


def test_a_token_is_fetched_once_and_shown_from_then_on(server: RegistryServer) -> None:
    server.token = "secret"
    descriptor = server.add_blob(CONTENT)
    server.add_image("app:1")
    client = client_of()
    client.manifest(at(server, "app:1"))
    assert fetched(client, at(server, "app:1"), descriptor) == CONTENT
    assert [request.path.partition("?")[0] for request in server.requests] == [
        "/v2/app/manifests/1",
        "/token",
        "/v2/app/manifests/1",
        f"/v2/app/blobs/{descriptor.digest}",
    ]
    assert server.requests[1].query == {"service": "tests", "scope": "repository:app:pull"}


def test_each_repository_has_a_token_of_its_own(server: RegistryServer) -> None:
    server.token = "secret"
    for name in ("one:1", "two:1"):
        server.add_image(name)
    client = client_of()
    for name in ("one:1", "two:1", "one:1"):
        client.manifest(at(server, name))
    assert [request.query["scope"] for request in server.requests if "/token" in request.path] == [
        "repository:one:pull",
        "repository:two:pull",
    ]


def test_threads_that_are_refused_together_fetch_one_token(server: RegistryServer) -> None:
    server.token = "secret"
    server.add_image("app:1")
    client = client_of()
    threads = [threading.Thread(target=client.manifest, args=(at(server, "app:1"),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.paths("/token")) == 1


def test_a_token_that_is_not_taken_any_more_is_renewed(server: RegistryServer) -> None:
    server.token = "first"
    server.add_image("app:1")
    client = client_of()
    client.manifest(at(server, "app:1"))
    server.token = "second"
    client.manifest(at(server, "app:1"))
    assert len(server.paths("/token")) == 2


def test_a_private_repository_is_said_to_be_private_or_missing(server: RegistryServer) -> None:
    server.token = "secret"
    server.fail("/token", answers(200, b'{"access_token":"anybodys"}'))
    with pytest.raises(RegistryError, match="401 UNAUTHORIZED: authentication required") as caught:
        client_of().manifest(at(server, "app:1"))
    assert "private, or doesn't exist" in caught.value.hint


@pytest.mark.parametrize("headers", [{}, {"WWW_Authenticate": 'Basic realm="x"'}], ids=["nothing", "a password"])
def test_a_registry_that_wants_no_token_is_not_given_one(server: RegistryServer, headers: dict[str, str]) -> None:
    server.fail("manifests", refuses(401, "UNAUTHORIZED", "who are you", **headers))
    with pytest.raises(RegistryError, match="401 UNAUTHORIZED: who are you"):
        client_of().manifest(at(server, "app:1"))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"token":""}', b'{"token":"a\\nb"}', b'{"token":5}', b'{"token":"a","expires_in":"x"}']
)
def test_a_token_server_that_gives_no_token_is_blamed(server: RegistryServer, body: bytes) -> None:
    server.token = "secret"
    server.fail("/token", answers(200, body))
    with pytest.raises(RegistryError, match="http://localhost, where it wants a token from, gave none"):
        client_of().manifest(at(server, "app:1"))


def test_a_token_is_asked_for_with_patience(server: RegistryServer) -> None:
    server.token = "secret"
    server.add_image("app:1")
    server.fail("/token", answers(503), resets)
    client_of().manifest(at(server, "app:1"))
    assert len(server.paths("/token")) == 3


def test_a_secure_registry_may_not_name_a_token_server_in_clear_text(
    secure: RegistryServer, server: RegistryServer, certificate: Path
) -> None:
    secure.token, secure.realm = "secret", f"{server.url}/token"
    with pytest.raises(RegistryError, match="wants a token from http://localhost, which is not encrypted"):
        client_of(secure.url, trusted=certificate).manifest(Reference.parse("registry.test/app:1"))
    assert not server.requests


@pytest.mark.parametrize(
    ("header", "challenges"),
    [
        ("", []),
        ("Negotiate", []),
        ('Basic realm="a, b"', [Challenge("basic", {"realm": "a, b"})]),
        (
            'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a:pull,push"',
            [
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a:pull,push",
                    },
                )
            ],
        ),
        ("BEARER REALM = x , error=y", [Challenge("bearer", {"realm": "x", "error": "y"})]),
        ('Bearer realm="a\\"b"', [Challenge("bearer", {"realm": 'a"b'})]),
        (
            'Basic realm="x", Bearer realm="y",service="z"',
            [Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "y", "service": "z"})],
        ),
    ],
)
def test_a_challenge_is_read_as_the_header_grammar_says(header: str, challenges: list[Challenge]) -> None:
    assert list(parse_challenges(header)) == challenges


def known_as(words: str, server: RegistryServer, **more: str) -> Client:
    """A client whose environment keeps a name and a password for a server."""
    entry = {"auth": b64encode(words.encode()).decode(), **more}
    return Client({}, {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {server.host: entry}})}, HASTY)


def test_a_token_is_got_for_a_name_and_a_password(server: RegistryServer) -> None:
    server.token, server.login = "secret", "me:pass"
    server.add_image("app:1")
    known_as("me:pass", server).manifest(at(server, "app:1"))
    shown = [request.headers["Authorization"] for request in server.requests]
    assert shown == [None, f"Basic {b64encode(b'me:pass').decode()}", "Bearer secret"]


def test_a_token_is_got_for_an_identity_token(server: RegistryServer) -> None:
    server.token, server.login, server.identity = "secret", "me:pass", "long-lived"
    server.add_image("app:1")
    known_as("me:", server, identitytoken="long-lived").manifest(at(server, "app:1"))
    [exchange] = [request for request in server.requests if request.path == "/token"]
    assert exchange.method == "POST"
    assert parse_qs(exchange.body.decode())["grant_type"] == ["refresh_token"]


def test_a_registry_may_want_the_password_itself(server: RegistryServer) -> None:
    server.login = "me:pass"
    descriptor = server.add_blob(CONTENT)
    server.add_image("app:1")
    client = known_as("me:pass", server)
    client.manifest(at(server, "app:1"))
    assert fetched(client, at(server, "app:1"), descriptor) == CONTENT


def test_a_wrong_password_is_tried_once_and_told_of_by_its_place(server: RegistryServer) -> None:
    server.login = "me:pass"
    with pytest.raises(RegistryError, match="401 UNAUTHORIZED: who are you") as caught:
        known_as("me:wrong", server).manifest(at(server, "app:1"))
    assert caught.value.hint.endswith("minibuild asked as 'me', whom DOCKER_AUTH_CONFIG names")
    assert "wrong" not in str(caught.value)
    assert len(server.requests) == 2


def test_who_has_no_credentials_is_told_where_was_looked(server: RegistryServer, tmp_path: Path) -> None:
    server.login = "me:pass"
    (tmp_path / "config.json").write_text('{"auths":{"other.test":{}}}')
    client = Client({}, {"DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)}, HASTY)
    with pytest.raises(RegistryError) as caught:
        client.manifest(at(server, "app:1"))
    assert f"nothing is kept for {server.host} in {tmp_path}/config.json" in caught.value.hint


def test_credentials_are_not_shown_to_where_a_registry_sends_us(server: RegistryServer, other: RegistryServer) -> None:
    server.login = "me:pass"
    descriptor = server.add_blob(CONTENT)
    client = known_as("me:pass", server)
    server.add_image("app:1")
    client.manifest(at(server, "app:1"))
    server.fail("blobs", redirects(f"{other.url}/there"))
    other.fail("there", answers(200, CONTENT))
    client.blob(at(server, "app"), descriptor).close()
    assert [request.headers["Authorization"] for request in other.requests] == [None]
