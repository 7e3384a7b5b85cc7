"""How the client treats registries that are slow, rude, broken, or lying."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import run

import pytest

from minibuild.errors import ImageError, IntegrityError, RegistryError
from minibuild.oci import Descriptor, Digest, MediaType, Reference
from minibuild.registry.client import Client
from minibuild.registry.download import Download
from minibuild.registry.session import Patience
from tests.servers.registry import (
    RegistryServer,
    answers,
    cuts,
    gives,
    holds,
    redirects,
    refuses,
    resets,
    says,
)

HASTY = Patience(attempts=3, pause_s=0.001, longest_s=2)
CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def other() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of ``localhost`` in one file, signed by nobody else."""
    directory = tmp_path_factory.mktemp("tls")
    both = directory / "both.pem"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "certificate.pem")]
    run(["openssl", *request, *names, *files], check=True, capture_output=True)
    both.write_bytes((directory / "key.pem").read_bytes() + (directory / "certificate.pem").read_bytes())
    return both


@pytest.fixture
def secure(certificate: Path) -> Iterator[RegistryServer]:
    with RegistryServer(certificate=certificate) as running:
        yield running


def client_of(*mirrors: str, trusted: Path | None = None) -> Client:
    """A client that asks these first for the images of ``registry.test``, which itself can't be reached."""
    environment = {"HTTPS_PROXY": "http://127.0.0.1:1"} | ({"SSL_CERT_FILE": str(trusted)} if trusted else {})
    return Client({"registry.test": mirrors}, environment, HASTY)


def at(server: RegistryServer, name: str) -> Reference:
    return Reference.parse(f"{server.host}/{name}")


def fetched(client: Client, reference: Reference, descriptor: Descriptor) -> bytes:
    with client.blob(reference, descriptor) as stream:
        return stream.read()


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


# Blobs


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


def test_a_place_out_of_reach_is_not_asked_twice(server: RegistryServer, other: RegistryServer) -> None:
    other.add_image("app:1")
    url = server.url
    server._server.server_close()
    client = client_of(url, other.url)
    client.manifest(Reference.parse("registry.test/app:1"))
    with RegistryServer() as later:
        later.add_image("app:1")
        client.manifest(Reference.parse("registry.test/app:1"))
    assert len(other.requests) == 2


# Tokens


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


def test_a_registry_that_wants_a_password_is_told_apart(server: RegistryServer) -> None:
    server.fail("manifests", refuses(401, "UNAUTHORIZED", "who are you", WWW_Authenticate='Basic realm="x"'))
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


# Redirects


def test_authorization_is_not_shown_to_another_host(server: RegistryServer, other: RegistryServer) -> None:
    server.token = "secret"
    descriptor = server.add_blob(CONTENT)
    other.fail("elsewhere", answers(200, CONTENT))
    server.fail("/token")
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
