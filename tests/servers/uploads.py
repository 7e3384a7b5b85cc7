"""The half of a registry that takes blobs and manifests, and breaks connections on the way if it is told to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from minibuild.oci import Digest
from tests.servers.exchange import Reply, Request, error_of

_PIECE = 64 * 1024


@dataclass
class Uploads:
    """Keeps what it is sent in ``blobs`` and ``manifests``. ``cuts``: each of the next bodies of a PATCH breaks the
    connection after so many bytes, which arrive. ``mounted`` are the blobs that came from other repositories, if
    ``can_mount``; ``forgets`` an upload whose connection broke.
    """

    blobs: dict[str, bytes]
    manifests: dict[str, tuple[str, bytes]]
    cuts: list[int] = field(default_factory=list)
    can_mount: bool = True
    forgets: bool = False
    mounted: list[str] = field(default_factory=list)
    _under_way: dict[str, bytes] = field(default_factory=dict)
    _begun_so_far: int = 0

    def received(self, handler: BaseHTTPRequestHandler) -> bytes:
        """The body of a request; raises ConnectionError where it is to break."""
        missing = int(handler.headers.get("Content-Length", 0))
        cut = self.cuts.pop(0) if self.cuts and handler.command == "PATCH" else None
        body = b""
        while missing and (cut is None or len(body) < cut):
            piece = handler.rfile.read(min(missing, _PIECE, _PIECE if cut is None else cut - len(body)))
            if not piece:
                raise ConnectionError("the client has gone")
            body += piece
            missing -= len(piece)
        if cut is None:
            return body
        name = _upload_of(handler.path)
        self._under_way[name] = self._under_way.get(name, b"") + body
        if self.forgets:
            del self._under_way[name]
        handler.close_connection = True
        handler.connection.close()
        raise ConnectionError("cut as told")

    def reply(self, request: Request) -> Reply | None:
        """The answer; None for what isn't about uploading."""
        path = urlsplit(request.path).path
        if re.search("/blobs/uploads/$", path) and request.method == "POST":
            return self._begun(request)
        if "/blobs/uploads/" in path:
            return self._gone_on(request, _upload_of(path))
        if (found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path)) and request.method == "PUT":
            return self._manifest(request, found[1], found[2])
        return None

    def _begun(self, request: Request) -> Reply:
        path, wanted = urlsplit(request.path).path, request.query.get("mount", "")
        if wanted in self.blobs and self.can_mount:
            self.mounted.append(wanted)
            return Reply(201, {"Location": f"/v2/x/blobs/{wanted}"})
        self._begun_so_far += 1
        name = f"upload{self._begun_so_far}"
        self._under_way[name] = b""
        return Reply(202, {"Location": f"{path}{name}?state=a%2Fb"})

    def _gone_on(self, request: Request, name: str) -> Reply:
        if name not in self._under_way:
            return Reply(404, {}, error_of("BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"))
        here = {"Location": request.path}
        if request.method == "PATCH":
            start = request.headers.get("Content-Range", "0-").partition("-")[0]
            if int(start) != len(self._under_way[name]):
                return Reply(416, here, error_of("BLOB_UPLOAD_INVALID", "out of order"))
            self._under_way[name] += request.body
        elif request.method == "DELETE":
            del self._under_way[name]
            return Reply(204)
        elif request.method == "PUT":
            content, digest = self._under_way.pop(name) + request.body, request.query.get("digest", "")
            if Digest.of(content) != digest:
                return Reply(400, {}, error_of("DIGEST_INVALID", "provided digest did not match uploaded content"))
            self.blobs[digest] = content
            return Reply(201, {"Location": f"/v2/x/blobs/{digest}"})
        arrived = len(self._under_way[name])
        return Reply(204 if request.method == "GET" else 202, {**here, "Range": f"0-{max(arrived - 1, 0)}"})

    def _manifest(self, request: Request, repository: str, name: str) -> Reply:
        digest = Digest.of(request.body)
        for known in (name, digest):
            self.manifests[f"{repository}/{known}"] = (request.headers.get("Content-Type", ""), request.body)
        return Reply(201, {"Docker-Content-Digest": digest})


def _upload_of(path: str) -> str:
    return urlsplit(path).path.rpartition("/")[2]
