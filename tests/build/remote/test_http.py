"""A file comes whole, or not at all: over connections that break, through redirects, as large as it may be."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from minibuild.build.remote.http import Download, Validators, Web, name_in, shown
from minibuild.errors import ContextError
from minibuild.runtimes.base import Cancellation
from tests.registry.asking import HASTY
from tests.servers.files import FileServer
from tests.servers.registry import answers, cuts, holds, redirects, resets, says

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def server() -> Iterator[FileServer]:
    with FileServer({"/app.bin": CONTENT, "/d/a%20b.txt?x=1": b"text"}) as running:
        yield running


def web(environment: dict[str, str] | None = None, cancellation: Cancellation | None = None) -> Web:
    return Web(environment or {}, Cancellation() if cancellation is None else cancellation, HASTY)


def fetched(server: FileServer, directory: Path, path: str = "/app.bin") -> Download:
    return web().download(f"{server.url}{path}", directory)


def test_a_file_comes_with_its_digest_and_what_its_server_says_of_it(server: FileServer, tmp_path: Path) -> None:
    download = fetched(server, tmp_path)
    assert download.path.read_bytes() == CONTENT
    assert (download.size, download.digest) == (len(CONTENT), f"sha256:{sha256(CONTENT).hexdigest()}")
    assert download.validators.modified == 1_700_000_000
    assert download.validators.etag.startswith('"')
    assert download.url == f"{server.url}/app.bin"


def test_a_file_is_taken_up_where_the_connection_was_cut(server: FileServer, tmp_path: Path) -> None:
    server.fail("/app.bin", cuts(300_000), cuts(400_000))
    assert fetched(server, tmp_path).digest == f"sha256:{sha256(CONTENT).hexdigest()}"
    assert [request.headers.get("Range") for request in server.requests] == [None, "bytes=300000-", "bytes=700000-"]


def test_a_file_that_changed_while_the_connection_was_cut_is_begun_anew(server: FileServer, tmp_path: Path) -> None:
    def cut_and_change(request: object, reply: object) -> object:
        server.files["/app.bin"] = b"new"
        return cuts(1000)(request, reply)  # type: ignore[arg-type]

    server.fail("/app.bin", cut_and_change)  # type: ignore[arg-type]
    assert fetched(server, tmp_path).path.read_bytes() == b"new"


def test_a_file_without_an_etag_is_begun_anew(server: FileServer, tmp_path: Path) -> None:
    server.fail("/app.bin", lambda request, reply: cuts(1000)(request, says(ETag="")(request, reply)))
    assert fetched(server, tmp_path).path.read_bytes() == CONTENT
    assert server.requests[1].headers.get("Range") is None


def test_a_server_that_keeps_breaking_off_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    server.fail("/app.bin", cuts(10), cuts(10), resets, cuts(0), *[resets] * 20)
    with pytest.raises(ContextError, match=r"/app.bin can't be downloaded: the connection was cut"):
        fetched(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_busy_server_is_asked_again(server: FileServer, tmp_path: Path) -> None:
    server.fail("/app.bin", answers(503), answers(429, Retry_After="0"))
    assert fetched(server, tmp_path).size == len(CONTENT)


@pytest.mark.parametrize(
    ("status", "hint"), [(404, "look for the address"), (403, "it is private"), (401, "https://USER:PASSWORD@")]
)
def test_a_refusal_says_what_may_help(server: FileServer, tmp_path: Path, status: int, hint: str) -> None:
    server.fail("/app.bin", answers(status))
    with pytest.raises(ContextError, match=f"can't be downloaded: {status} ") as caught:
        fetched(server, tmp_path)
    assert hint in caught.value.hint


def test_redirects_are_followed_and_told(server: FileServer, tmp_path: Path) -> None:
    server.fail("/here", redirects("/there"), redirects("/app.bin"))
    server.fail("/there", redirects("/app.bin"))
    assert fetched(server, tmp_path, "/here").url == f"{server.url}/app.bin"


def test_redirects_into_the_cloud_s_metadata_or_in_circles_are_refused(server: FileServer, tmp_path: Path) -> None:
    server.fail("/here", redirects("http://169.254.169.254/latest/meta-data"))
    with pytest.raises(ContextError, match=r"sends us to http://169.254.169.254, which is an address of this machine"):
        fetched(server, tmp_path, "/here")
    server.fail("/here", *[redirects("/here")] * 9)
    with pytest.raises(ContextError, match="without coming to an end"):
        fetched(server, tmp_path, "/here")


@pytest.mark.parametrize("length", ["told", "untold"])
def test_a_file_larger_than_the_limit_is_refused(server: FileServer, tmp_path: Path, length: str) -> None:
    if length == "untold":
        server.fail("/app.bin", says(Content_Length=""))
    with pytest.raises(ContextError, match="larger than 1000 bytes"):
        web().download(f"{server.url}/app.bin", tmp_path, limit=1000)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_did_not_change_is_not_sent_again(server: FileServer, tmp_path: Path) -> None:
    known = fetched(server, tmp_path).validators
    assert web().download_if_changed(f"{server.url}/app.bin", tmp_path, known) is None
    server.files["/app.bin"] = b"new"
    changed = web().download_if_changed(f"{server.url}/app.bin", tmp_path, known)
    assert changed is not None
    assert changed.path.read_bytes() == b"new"


def test_credentials_of_a_url_are_given_and_never_shown(tmp_path: Path) -> None:
    with FileServer({"/x": b"secret"}, password=b64encode(b"me:p@ss").decode()) as server:
        assert web().download(f"http://me:p%40ss@{server.host}/x", tmp_path).path.read_bytes() == b"secret"
        with pytest.raises(ContextError) as caught:
            web().download(f"http://me:wrong@{server.host}/x?token=abc", tmp_path)
    assert "wrong" not in caught.value.message
    assert "abc" not in caught.value.message


def test_credentials_are_not_handed_on_to_another_server(server: FileServer, tmp_path: Path) -> None:
    with FileServer({}) as first:
        first.fail("/x", redirects(f"{server.url}/app.bin"))
        web().download(f"http://me:secret@{first.host}/x", tmp_path)
    assert server.requests[0].headers.get("Authorization") is None


def test_cancelling_ends_a_download_that_hangs(server: FileServer, tmp_path: Path) -> None:
    release, cancellation = threading.Event(), Cancellation()
    server.fail("/app.bin", holds(release, at=1000))
    threading.Timer(0.2, cancellation.set).start()
    with pytest.raises(KeyboardInterrupt):
        web(cancellation=cancellation).download(f"{server.url}/app.bin", tmp_path)
    release.set()
    assert list(tmp_path.iterdir()) == []


def test_a_proxy_is_asked_and_what_is_no_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"the proxy http://127.0.0.1:1 doesn't let us through"):
        web({"http_proxy": "http://127.0.0.1:1"}).download("http://files.test/x", tmp_path)
    with pytest.raises(ContextError, match="is no web address"):
        web().download("https:///x", tmp_path)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="app.tar.gz"', "app.tar.gz"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        ('attachment; filename=".."', ""),
        ("inline", ""),
    ],
)
def test_the_name_a_server_suggests_has_no_directory(
    server: FileServer, tmp_path: Path, header: str, name: str
) -> None:
    server.fail("/app.bin", says(Content_Disposition=header))
    assert fetched(server, tmp_path).suggested_name == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://h/d/a.txt?x=/y#z", "a.txt"),
        ("https://h/d/", "d"),
        ("https://h", ""),
        ("https://h/..", ""),
        ("https://h/a%20b", "a b"),
        ("https://h/%2e%2e%2fx", "x"),
    ],
)
def test_the_name_in_a_url_is_its_last_part(url: str, name: str) -> None:
    assert name_in(url) == name


def test_a_url_is_shown_without_its_secrets() -> None:
    assert shown("https://u:p@h/x?sig=1#f") == "https://h/x?…"


def test_no_validators_are_no_time() -> None:
    assert Validators("", "yesterday").modified is None


def test_a_certificate_of_one_s_own_is_trusted_if_it_is_named(tmp_path: Path, certificate: Path) -> None:
    with FileServer({"/x": b"x"}, certificate=certificate) as server:
        trusting = web({"SSL_CERT_FILE": str(certificate)})
        assert trusting.download(f"{server.url}/x", tmp_path).path.read_bytes() == b"x"
        with pytest.raises(ContextError) as caught:
            web().download(f"{server.url}/x", tmp_path)
        assert "SSL_CERT_FILE" in caught.value.hint
