"""ADD of URLs, out of a real web server: names, times, checksums, and asking again only for what changed."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from minibuild.errors import ContextError
from tests.build.test_engine import Bench


@dataclass
class Site:
    """A web server: path → headers and content; ``asked`` has what was asked for and with what status answered."""

    server: ThreadingHTTPServer
    pages: dict[str, tuple[Mapping[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, int]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        headers, content = self.pages.get(path, ({}, b""))
        same = headers.get("ETag") and request.headers.get("If-None-Match") == headers.get("ETag")
        status = 404 if path not in self.pages else 304 if same else 200
        self.asked.append((path, status))
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        if status == 200:
            request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if status == 200:
            request.wfile.write(content)


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server that has no pages yet."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_request(self, *_words: object) -> None:
            pass

    served = Site(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
    thread = Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "context").mkdir()
    return Bench(tmp_path / "context", tmp_path / "store")


def checksum(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_a_file_is_for_its_owner_alone_and_as_old_as_the_server_says(bench: Bench, site: Site) -> None:
    site.pages["/a/f.txt"] = ({"Last-Modified": "Thu, 01 Jan 1970 00:01:40 GMT"}, b"text")
    image = bench.build(f"FROM scratch\nADD {site.url}/a/f.txt?x=y /n/\n").image
    entry = bench.tree(image).find("n/f.txt")
    assert entry is not None and (entry.mode, entry.uid, entry.mtime) == (0o600, 0, 100)
    assert bench.read(image, "n/f.txt") == "text"


@pytest.mark.parametrize(
    ("path", "headers", "destination", "name"),
    [
        ("/a%20b", {}, "/n/", "n/a b"),
        ("/f", {"Content-Disposition": 'attachment; filename="other"'}, "/n/", "n/f"),
        ("/", {"Content-Disposition": 'attachment; filename="../../other"'}, "/n/", "n/other"),
        ("/", {}, "/n/", "n/__unnamed__"),
        ("/f", {}, "/n", "n"),
    ],
)
def test_a_file_is_called_as_its_url_says(
    bench: Bench, site: Site, path: str, headers: Mapping[str, str], destination: str, name: str
) -> None:
    site.pages[path] = (headers, b"text")
    assert bench.read(bench.build(f"FROM scratch\nADD {site.url}{path} {destination}\n").image, name) == "text"


def test_a_mode_and_an_owner_are_given_it(bench: Bench, site: Site) -> None:
    site.pages["/f"] = ({}, b"text")
    image = bench.build(f"FROM scratch\nADD --chmod=a+r --chown=7 {site.url}/f /f\n").image
    entry = bench.tree(image).find("f")
    assert entry is not None and (entry.mode, entry.uid, entry.gid) == (0o644, 7, 7)


def test_what_did_not_change_is_asked_for_but_not_sent_again(bench: Bench, site: Site) -> None:
    dockerfile = f"FROM scratch\nADD {site.url}/f /f\n"
    site.pages["/f"] = ({"ETag": '"1"'}, b"one")
    first, second = bench.build(dockerfile), bench.build(dockerfile)
    assert (second.cached, second.image.id == first.image.id) == (1, True)
    site.pages["/f"] = ({"ETag": '"2"'}, b"two")
    third = bench.build(dockerfile)
    assert (third.cached, bench.read(third.image, "f")) == (0, "two")
    assert [status for _, status in site.asked] == [200, 304, 200]


def test_a_right_checksum_asks_nobody_once_the_step_is_cached(bench: Bench, site: Site) -> None:
    site.pages["/f"] = ({}, b"one")
    dockerfile = f"FROM scratch\nARG SUM={checksum(b'one')}\nADD --checksum=$SUM {site.url}/f /f\n"
    bench.build(dockerfile)
    assert bench.build(dockerfile).cached == 1
    assert len(site.asked) == 1


def test_a_wrong_checksum_fails_and_keeps_nothing(bench: Bench, site: Site) -> None:
    site.pages["/f"] = ({"ETag": '"1"'}, b"two")
    with pytest.raises(ContextError) as caught:
        bench.build(f"FROM scratch\nADD --checksum={checksum(b'one')} {site.url}/f /f\n")
    assert caught.value.message == f"{site.url}/f holds {checksum(b'two')}, --checksum says {checksum(b'one')}"
    assert caught.value.span is not None and caught.value.span.line == 2
    blobs = bench.root / "blobs" / "sha256"
    assert not (blobs / checksum(b"two").removeprefix("sha256:")).exists()
    assert not (bench.root / "downloads").exists()


def test_an_archive_is_unpacked_only_if_asked_for(bench: Bench, site: Site) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("inside"))
    site.pages["/a.tar"] = ({}, packed.getvalue())
    image = bench.build(f"FROM scratch\nADD {site.url}/a.tar /kept/\nADD --unpack {site.url}/a.tar /un/\n").image
    assert bench.tree(image).find("kept/a.tar") is not None
    assert bench.tree(image).find("un/inside") is not None


def test_what_is_not_there_blames_its_place(bench: Bench, site: Site) -> None:
    with pytest.raises(ContextError) as caught:
        bench.build(f"FROM scratch\nADD {site.url}/missing /f\n")
    assert "404" in caught.value.message
    assert caught.value.span is not None and caught.value.span.text == f"{site.url}/missing"


DATED = "FROM scratch AS source\nADD {} /f\nFROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL epoch=$SOURCE_DATE_EPOCH\n"


def test_a_build_may_be_as_old_as_a_stage_s_file(bench: Bench, site: Site) -> None:
    site.pages["/f"] = ({"Last-Modified": "Fri, 13 Feb 2009 23:31:30 GMT"}, b"text")
    packed, member = io.BytesIO(), tarfile.TarInfo("f")
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member.mtime = 6
        archive.addfile(member)
    site.pages["/f.tar"] = ({}, packed.getvalue())
    epochs = [
        bench.build(DATED.format(site.url + path), build_arguments={"SOURCE_DATE_EPOCH": "source"})
        for path in ("/f", "/f.tar")
    ]
    assert [built.image.config.config.labels["epoch"] for built in epochs] == ["1234567890", "6"]


def test_a_file_whose_age_nobody_tells_dates_no_build(bench: Bench, site: Site) -> None:
    site.pages["/f"] = ({}, b"text")
    with pytest.raises(ContextError, match="nothing says how old it is what stage source ADDs") as caught:
        bench.build(DATED.format(f"{site.url}/f"), build_arguments={"SOURCE_DATE_EPOCH": "source"})
    assert caught.value.span is not None and caught.value.span.line == 1
