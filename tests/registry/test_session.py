"""What is asked again, what a refusal says, and where we may be sent on to."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from minibuild.errors import RegistryError
from minibuild.oci import Digest, Reference
from tests.registry.asking import CONTENT, HASTY, at, client_of, fetched
from tests.servers.registry import (
    RegistryServer,
    answers,
    cuts,
    redirects,
    refuses,
    resets,
)

# Patience


@pytest.mark.parametrize(
    "fault",
    [
        refuses(429, "TOOMANYREQUESTS", "slow down"),
        refuses(429, "TOOMANYREQUESTS", "slow down", Retry_After="0"),
        answers(500),
        answers(502, b"<html>"),
        answers(503, Retry_After="Tue, 01 Jan 2019 00:00:00 GMT"),
        answers(504),
        resets,
        cuts(10),
    ],
    ids=["429", "429 at once", "500", "502", "503 with a date", "504", "reset", "cut"],
)
def test_what_may_pass_is_asked_again(server: RegistryServer, fault: object) -> None:
    descriptor = server.add_blob(CONTENT)
    server.fail("blobs", fault, fault)  # type: ignore[arg-type]
    assert fetched(client_of(), at(server, "app"), descriptor) == CONTENT
    assert len(server.requests) == 3


def test_a_manifest_that_is_cut_is_asked_for_again(server: RegistryServer) -> None:
    digest = server.add_image("app:1")
    server.fail("manifests", cuts(50), cuts(0))
    assert Digest.of(client_of().manifest(at(server, "app:1"))) == digest


def test_a_registry_that_never_recovers_is_given_up(server: RegistryServer) -> None:
    server.fail("manifests", *[refuses(503, "UNAVAILABLE", "come back later")] * 9)
    with pytest.raises(RegistryError, match="503 UNAVAILABLE: come back later"):
        client_of().manifest(at(server, "app"))
    assert len(server.requests) == HASTY.attempts


def test_a_refusal_is_not_asked_again(server: RegistryServer) -> None:
    server.fail("manifests", refuses(403, "DENIED", "requested access is denied"))
    with pytest.raises(RegistryError, match="403 DENIED: requested access is denied") as caught:
        client_of().manifest(at(server, "app"))
    assert len(server.requests) == 1
    assert "private" in caught.value.hint


def test_a_wait_longer_than_patience_is_not_waited(server: RegistryServer) -> None:
    server.fail("manifests", refuses(429, "TOOMANYREQUESTS", "pull rate limit", Retry_After="3600"))
    with pytest.raises(RegistryError, match="pull rate limit") as caught:
        client_of().manifest(at(server, "app"))
    assert len(server.requests) == 1
    assert "3600 s" in caught.value.hint


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "400 Bad Request"),
        (b"<html>no</html>", "400 Bad Request"),
        (b"Client sent an HTTP request to an HTTPS server.\n", "400 Client sent an HTTP request to an HTTPS server."),
        (b'{"details":"incorrect username"}', "400 incorrect username"),
        (b'{"errors":[{"code":"A","message":"b"},{"code":"C"},5]}', "400 A: b; C"),
        (b'{"errors":{"code":5}}', "400 Bad Request"),
        (b"[" * 5000, "400 Bad Request"),
        (b'{"errors":[{"code":"A","message":"' + b"x" * 100_000, "400 Bad Request"),
    ],
    ids=["nothing", "html", "text", "details", "several", "no list", "deep", "long"],
)
def test_a_refusal_says_what_the_server_said(server: RegistryServer, body: bytes, said: str) -> None:
    server.fail("manifests", answers(400, body))
    with pytest.raises(RegistryError) as caught:
        client_of().manifest(at(server, "app:1"))
    assert caught.value.message == f"{server.host}/app:1 can't be had from {server.url} ({said})"


def test_a_port_where_something_else_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with listening.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(RegistryError, match="it doesn't speak http"):
            client_of().manifest(Reference.parse(f"localhost:{listening.getsockname()[1]}/app:1"))


# Redirects


def test_authorization_is_not_shown_to_another_host(server: RegistryServer, other: RegistryServer) -> None:
    server.token = "secret"
    descriptor = server.add_blob(CONTENT)
    other.fail("elsewhere", answers(200, CONTENT))
    client = client_of()
    server.add_image("app:1")
    client.manifest(at(server, "app:1"))
    server.fail("blobs", redirects(f"{other.url}/elsewhere?signature=abc"))
    assert fetched(client, at(server, "app"), descriptor) == CONTENT
    assert server.requests[-1].headers["Authorization"] == "Bearer secret"
    assert "Authorization" not in other.requests[0].headers


def test_authorization_stays_on_the_same_host(server: RegistryServer) -> None:
    server.token = "secret"
    descriptor = server.add_blob(CONTENT)
    client = client_of()
    server.add_image("app:1")
    client.manifest(at(server, "app:1"))
    server.fail("v2/app/blobs", redirects(f"/v2/elsewhere/blobs/{descriptor.digest}"))
    assert fetched(client, at(server, "app"), descriptor) == CONTENT
    assert server.requests[-1].headers["Authorization"] == "Bearer secret"


def test_authorization_that_was_dropped_does_not_come_back(server: RegistryServer, other: RegistryServer) -> None:
    server.token = "secret"
    descriptor = server.add_blob(CONTENT)
    client = client_of()
    server.add_image("app:1")
    client.manifest(at(server, "app:1"))
    server.fail("v2/app/blobs", redirects(f"{other.url}/there"))
    other.fail("there", redirects(f"{server.url}/v2/x/blobs/{descriptor.digest}"))
    client.blob(at(server, "app"), descriptor).close()
    [returned, *_] = [request for request in server.requests if "/x/" in request.path]
    assert "Authorization" not in returned.headers


def test_another_host_cannot_make_us_fetch_a_token(server: RegistryServer, other: RegistryServer) -> None:
    other.token = "secret"
    server.fail("blobs", redirects(f"{other.url}/v2/app/blobs/x"))
    with pytest.raises(RegistryError, match="401"):
        client_of().blob(at(server, "app"), server.add_blob(CONTENT))
    assert not other.paths("/token")


def test_a_secure_registry_may_not_send_us_to_clear_text(
    secure: RegistryServer, server: RegistryServer, certificate: Path
) -> None:
    secure.fail("manifests", redirects(f"{server.url}/v2/app/manifests/1"))
    with pytest.raises(RegistryError, match="sends us to http://localhost, which is not encrypted"):
        client_of(secure.url, trusted=certificate).manifest(Reference.parse("registry.test/app:1"))
    assert not server.requests


def test_redirects_come_to_an_end(server: RegistryServer) -> None:
    server.fail("manifests", *[redirects("/v2/app/manifests/1")] * 9)
    with pytest.raises(RegistryError, match="sent us on 5 times"):
        client_of().manifest(at(server, "app:1"))


def test_a_resumed_download_asks_the_registry_again_for_the_way(server: RegistryServer, other: RegistryServer) -> None:
    descriptor = server.add_blob(CONTENT)
    other.add_blob(CONTENT)
    server.fail("blobs", *[redirects(f"{other.url}/v2/app/blobs/{descriptor.digest}?signed={n}") for n in (1, 2)])
    other.fail("blobs", cuts(300_000))
    assert fetched(client_of(), at(server, "app"), descriptor) == CONTENT
    assert [path.partition("?")[2] for path in other.paths()] == ["signed=1", "signed=2"]
    assert other.requests[1].headers["Range"] == "bytes=300000-"
