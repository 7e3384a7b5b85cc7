"""A registry that everybody runs, seen through a proxy which fails in whatever way it is told to."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.servers.exchange import Reply, Request
from tests.servers.registry import Fault, RegistryServer
from tests.servers.uploads import Uploads

_OF_ONE_HOP = frozenset({"connection", "transfer-encoding", "keep-alive", "content-length"})


class FaultyProxy(RegistryServer):
    """Passes on what it is asked to the registry at ``target`` (``host:port``, http), and its answers, faults and all.

    Places that the registry names are its own, since it is asked by our name. ``cuts`` of ``uploads`` let the registry
    have the bytes before the cut.
    """

    def __init__(self, target: str, *, certificate: Path | None = None) -> None:
        super().__init__(certificate=certificate)
        self.target = target
        self.uploads: Uploads = _Half(target)

    def _true_reply(self, request: Request) -> Reply:
        return asked(self.target, request)


class _Half(Uploads):
    """Bodies on their way to a registry, some of which break off there."""

    def __init__(self, target: str) -> None:
        super().__init__({}, {})
        self._target = target

    def received(self, handler: BaseHTTPRequestHandler) -> bytes:
        """The body of a request; of one to be cut the registry gets the first half, and we hear no more of it."""
        cut = self.cuts.pop(0) if self.cuts and handler.command == "PATCH" else None
        if cut is None:
            return super().received(handler)
        begun = Request("PATCH", handler.path, handler.headers, handler.rfile.read(cut))
        del begun.headers["Content-Range"], begun.headers["Content-Length"]
        assert asked(self._target, begun).status == 202
        handler.close_connection = True
        raise ConnectionError("cut as told")


def drops(*headers: str) -> Fault:
    """Leaves out headers; without a length the body comes in chunks."""

    def without(request: Request, reply: Reply) -> Reply:
        left = {name: value for name, value in reply.headers.items() if name not in headers}
        if "Content-Length" not in headers or request.method == "HEAD":
            return replace(reply, headers=left)
        chunks = [reply.body[i : i + 50_000] for i in range(0, len(reply.body), 50_000)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])
        return replace(reply, headers={**left, "Transfer-Encoding": "chunked"}, body=body)

    return without


def knows_no_ranges(target: str) -> Fault:
    """Gives the whole, whatever part of it is asked for."""

    def whole(request: Request, _reply: Reply) -> Reply:
        del request.headers["Range"]
        return asked(target, request)

    return whole


def asked(target: str, request: Request) -> Reply:
    """What a server answers."""
    headers = {name: ", ".join(request.headers.get_all(name, [])) for name in request.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in _OF_ONE_HOP}
    with closing(HTTPConnection(target, timeout=60)) as connection:
        connection.request(request.method, request.path, request.body or None, headers | _length(request))
        answer: HTTPResponse = connection.getresponse()
        body = answer.read()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_HOP}
        if request.method == "HEAD" and answer.headers["Content-Length"]:
            kept["Content-Length"] = answer.headers["Content-Length"]
    return Reply(answer.status, kept, body)


def _length(request: Request) -> dict[str, str]:
    return {"Content-Length": str(len(request.body))} if request.method not in ("GET", "HEAD") else {}
