"""Certificates, proxies, and how what is under way is stopped."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from minibuild.errors import RegistryError
from minibuild.oci import Descriptor, Digest, Reference
from minibuild.registry.client import Client
from minibuild.registry.session import Patience
from tests.registry.asking import CONTENT, HASTY, at, client_of, fetched
from tests.servers.registry import (
    RegistryServer,
    answers,
    holds,
)

# TLS and proxies


def test_a_certificate_is_trusted_by_ssl_cert_file(secure: RegistryServer, certificate: Path) -> None:
    digest = secure.add_image("app:1")
    client = client_of(secure.url, trusted=certificate)
    assert Digest.of(client.manifest(Reference.parse("registry.test/app:1"))) == digest


def test_a_certificate_of_nobody_we_know_is_refused(secure: RegistryServer) -> None:
    with pytest.raises(RegistryError, match="certificate verify failed") as caught:
        client_of(secure.url).manifest(Reference.parse("registry.test/app:1"))
    assert "SSL_CERT_FILE" in caught.value.hint


def test_a_certificate_file_that_is_not_there_is_named(secure: RegistryServer) -> None:
    with pytest.raises(RegistryError, match="the file that SSL_CERT_FILE names isn't there"):
        client_of(secure.url, trusted=Path("/nonexistent/ca.pem")).manifest(Reference.parse("registry.test/app:1"))


def test_a_registry_without_https_is_said_to_have_none(server: RegistryServer) -> None:
    with pytest.raises(RegistryError, match="it doesn't speak https") as caught:
        client_of(f"https://{server.host}").manifest(Reference.parse("registry.test/app:1"))
    assert "http://" in caught.value.hint


def test_a_proxy_is_asked_for_what_is_not_this_machine(server: RegistryServer) -> None:
    raw = json.dumps({"schemaVersion": 2}).encode()
    server.fail("manifests", answers(200, raw))
    environment = {"HTTP_PROXY": server.url.replace("http://", "http://user:pass%40@")}
    client = Client({"registry.test": ("http://mirror.test:5000",)}, environment, HASTY)
    assert client.manifest(Reference.parse("registry.test/app:1")) == raw
    assert server.paths() == ["http://mirror.test:5000/v2/app/manifests/1"]
    assert server.requests[0].headers["Proxy-Authorization"] == "Basic dXNlcjpwYXNzQA=="


# Cancelling


@pytest.mark.parametrize("said", [None, 0, 300_000], ids=["before a word", "before the body", "within the body"])
def test_a_read_from_a_silent_server_ends_when_cancelled(server: RegistryServer, said: int | None) -> None:
    descriptor = server.add_blob(CONTENT)
    assert outcome_of_cancelling(client_of(), server, descriptor, said) is KeyboardInterrupt


@pytest.mark.parametrize("said", [None, 300_000], ids=["before a word", "within the body"])
def test_a_read_by_https_ends_when_cancelled(secure: RegistryServer, certificate: Path, said: int | None) -> None:
    descriptor = secure.add_blob(CONTENT)
    client = client_of(secure.url, trusted=certificate)
    assert outcome_of_cancelling(client, secure, descriptor, said) is KeyboardInterrupt


def outcome_of_cancelling(
    client: Client, server: RegistryServer, descriptor: Descriptor, said: int | None
) -> type[BaseException] | None:
    """What a read raises that is cancelled when the server has said so many bytes and falls silent."""
    release = threading.Event()
    server.fail("blobs", holds(release, said))
    name = "registry.test/app" if server.url.startswith("https") else f"{server.host}/app"
    outcome: list[type[BaseException] | None] = []

    def read() -> None:
        try:
            fetched(client, Reference.parse(name), descriptor)
            outcome.append(None)
        except BaseException as error:
            outcome.append(type(error))

    thread = threading.Thread(target=read)
    thread.start()
    while not server.requests:
        thread.join(0.01)
    client.cancel()
    thread.join(10)
    release.set()
    return outcome[0]


def test_a_pause_ends_when_cancelled(server: RegistryServer) -> None:
    client = Client({}, {}, Patience(pause_s=600, longest_s=600))
    server.fail("manifests", answers(503))
    timer = threading.Timer(0.2, client.cancel)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        client.manifest(at(server, "app"))
