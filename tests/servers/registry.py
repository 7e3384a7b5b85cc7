"""A registry inside the test's own process: it remembers what it was asked, and fails in whatever way it is told to."""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from minibuild.oci import Descriptor, Digest, MediaType
from tests.servers.exchange import Reply, Request, error_of
from tests.servers.uploads import Uploads

Fault = Callable[[Request, Reply], Reply]


def answers(status: int, body: bytes = b"", **headers: str) -> Fault:
    """Another status and body; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request, _reply: Reply(status, named, body)


def refuses(status: int, code: str, message: str, **headers: str) -> Fault:
    """An error as the distribution specification writes it."""
    return answers(status, error_of(code, message), **headers)


def redirects(url: str) -> Fault:
    """Sends the client to another place."""
    return lambda _request, _reply: Reply(307, {"Location": url})


def cuts(at: int) -> Fault:
    """Breaks the connection after so many bytes of the body."""
    return lambda _request, reply: replace(reply, cut_at=at)


def resets(_request: Request, _reply: Reply) -> Reply:
    """Resets the connection in the place of an answer."""
    return Reply(reset=True)


def holds(event: threading.Event, at: int | None = None) -> Fault:
    """Says nothing until the event: not a word, or nothing after so many bytes of the body."""
    return lambda _request, reply: replace(reply, cut_at=at, hold=event)


def gives(body: bytes) -> Fault:
    """Other bytes than asked for, with headers that fit them."""
    return lambda _request, reply: replace(reply, body=body)


def says(**headers: str) -> Fault:
    """Other headers than the true ones."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request, reply: replace(reply, headers={**reply.headers, **named})


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Clients that go away are what many tests are about."""


class RegistryServer:
    """Serves manifests and blobs at ``host``; ``url`` is its address with the scheme.

    ``requests`` has what was asked so far, oldest first. ``token`` is what has to be shown ("": nothing); the server
    gives it away at ``/token`` unless ``realm`` names another place. ``login`` is the ``name:password`` that has to be
    shown for a token or, where no token is wanted, to the registry itself; ``identity`` does as well for a token.
    """

    def __init__(self, *, certificate: Path | None = None) -> None:
        self.requests: list[Request] = []
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.blobs: dict[str, bytes] = {}
        self.uploads = Uploads(self.blobs, self.manifests)
        self.token = ""
        self.realm = ""
        self.login = ""
        self.identity = ""
        self._faults: list[tuple[re.Pattern[str], Fault]] = []
        self._lock = threading.Lock()
        self._server = _QuietServer(("127.0.0.1", 0), self._handler())
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.host = f"localhost:{self._server.server_port}"
        self.url = f"{'https' if certificate else 'http'}://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fail(self, pattern: str, *faults: Fault) -> None:
        """The next requests whose path has the pattern fail, one in each of these ways."""
        self._faults += [(re.compile(pattern), fault) for fault in faults]

    def paths(self, pattern: str = "") -> list[str]:
        """The paths asked so far that have the pattern."""
        return [request.path for request in self.requests if re.search(pattern, request.path)]

    def add_blob(self, content: bytes, media_type: str = MediaType.LAYER) -> Descriptor:
        """Keeps a blob, for all repositories."""
        descriptor = Descriptor(media_type, Digest.of(content), len(content))
        self.blobs[descriptor.digest] = content
        return descriptor

    def add_manifest(self, name: str, document: Mapping[str, Any], media_type: str = MediaType.MANIFEST) -> Digest:
        """Keeps a manifest under ``repository:tag`` and under its digest."""
        repository, _, tag = name.partition(":")
        raw = json.dumps(document).encode()
        digest = Digest.of(raw)
        for known in (tag, digest):
            self.manifests[f"{repository}/{known}"] = (media_type, raw)
        return digest

    def add_image(self, name: str, *layers: bytes, architecture: str = "amd64", variant: str = "") -> Digest:
        """Keeps an image of these layers, bare tars as far as anyone checks; answers its manifest's digest."""
        config = {
            "os": "linux",
            "architecture": architecture,
            "variant": variant,
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest.of(layer) for layer in layers]},
        }
        document = {
            "schemaVersion": 2,
            "mediaType": MediaType.MANIFEST,
            "config": self.add_blob(json.dumps(config).encode(), MediaType.CONFIG).encode(),
            "layers": [self.add_blob(layer).encode() for layer in layers],
        }
        return self.add_manifest(name, document)

    def add_index(self, name: str, platforms: Mapping[str, Digest]) -> Digest:
        """Keeps an index of manifests that are here already, by the platforms they are for."""
        sizes = {Digest.of(raw): len(raw) for _, raw in self.manifests.values()}
        manifests = [
            {
                "mediaType": MediaType.MANIFEST,
                "digest": digest,
                "size": sizes[digest],
                "platform": dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False)),
            }
            for platform, digest in platforms.items()
        ]
        document = {"schemaVersion": 2, "mediaType": MediaType.INDEX, "manifests": manifests}
        return self.add_manifest(name, document, MediaType.INDEX)

    def reply(self, request: Request) -> Reply:
        """The answer to a request, faults and all."""
        with self._lock:
            self.requests.append(request)
            reply = self._true_reply(request)
            for number, (pattern, fault) in enumerate(self._faults):
                if pattern.search(request.path):
                    del self._faults[number]
                    return fault(request, reply)
            return reply

    def _true_reply(self, request: Request) -> Reply:
        path = urlsplit(request.path).path
        if path == "/token":
            if self.login and not self._is_known(request):
                return Reply(401, {}, error_of("UNAUTHORIZED", "incorrect username or password"))
            return Reply(body=json.dumps({"token": self.token, "expires_in": 300}).encode())
        if self.login and not self.token and not self._is_known(request):
            return Reply(401, {"WWW-Authenticate": 'Basic realm="tests"'}, error_of("UNAUTHORIZED", "who are you"))
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            repository = re.sub(r"^/v2/(.*)/[a-z]+/[^/]*$", r"\1", path)
            realm = self.realm or f"{self.url}/token"
            challenge = f'realm="{realm}",service="tests",scope="repository:{repository}:pull"'
            return Reply(
                401, {"WWW-Authenticate": f"Bearer {challenge}"}, error_of("UNAUTHORIZED", "authentication required")
            )
        if path == "/v2/":
            return Reply(body=b"{}")
        if (reply := self.uploads.reply(request)) is not None:
            return reply
        if found := re.fullmatch(r"/v2/(.+)/blobs/(sha256:[0-9a-f]+)", path):
            return self._blob(self.blobs.get(found[2]), request.headers.get("Range", ""))
        if found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
            return self._manifest(f"{found[1]}/{found[2]}")
        if found := re.fullmatch(r"/v2/(.+)/tags/list", path):
            return self._tags(found[1])
        return Reply(404)

    def _is_known(self, request: Request) -> bool:
        shown = request.headers.get("Authorization", "")
        form = parse_qs(request.body.decode())
        known = "Basic " + b64encode(self.login.encode()).decode()
        return shown == known or (self.identity != "" and form.get("refresh_token") == [self.identity])

    def _blob(self, content: bytes | None, span: str) -> Reply:
        if content is None:
            return Reply(404, {}, error_of("BLOB_UNKNOWN", "blob unknown to registry"))
        if asked := re.fullmatch(r"bytes=(\d+)-", span):
            start = int(asked[1])
            return Reply(206, {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}, content[start:])
        return Reply(body=content)

    def _manifest(self, name: str) -> Reply:
        if name not in self.manifests:
            return Reply(404, {}, error_of("MANIFEST_UNKNOWN", "manifest unknown"))
        media_type, raw = self.manifests[name]
        return Reply(200, {"Content-Type": media_type, "Docker-Content-Digest": Digest.of(raw)}, raw)

    def _tags(self, repository: str) -> Reply:
        names = [name.removeprefix(f"{repository}/") for name in self.manifests if name.startswith(f"{repository}/")]
        if not names:
            return Reply(404, {}, error_of("NAME_UNKNOWN", "repository name not known to registry"))
        return Reply(
            body=json.dumps({"name": repository, "tags": [name for name in names if ":" not in name]}).encode()
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._answer()

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815 - as http.server wants them

            def _answer(self) -> None:
                with suppress(ConnectionError):
                    body = registry.uploads.received(self)
                    _send(self, registry.reply(Request(self.command, self.path, self.headers, body)))

            def log_message(self, *_: object) -> None:
                """Says nothing: the requests are remembered."""

        return Handler


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    if reply.reset:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        return
    if reply.hold and reply.cut_at is None:
        reply.hold.wait()
    handler.send_response(reply.status)
    length = {} if "Transfer-Encoding" in reply.headers else {"Content-Length": str(len(reply.body))}
    for name, value in {**length, **reply.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(reply.body[: reply.cut_at] if handler.command != "HEAD" else b"")
    handler.wfile.flush()
    if reply.cut_at is None:
        return
    if reply.hold:
        reply.hold.wait()
    handler.close_connection = True
