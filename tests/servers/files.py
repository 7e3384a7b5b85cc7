"""A web server of files, inside the test's own process; it fails as the registry of the tests does."""

from __future__ import annotations

import re
from email.utils import formatdate
from hashlib import sha256
from pathlib import Path

from tests.servers.registry import RegistryServer, Reply, Request


class FileServer(RegistryServer):
    """Serves ``files`` by their paths, with ETag and Last-Modified, ranges and conditions, as web servers do.
    ``password`` is the ``user:password`` that has to be given ("": none).
    """

    def __init__(self, files: dict[str, bytes], *, certificate: Path | None = None, password: str = "") -> None:
        super().__init__(certificate=certificate)
        self.files = files
        self.password = password
        self.modified = 1_700_000_000

    def _true_reply(self, request: Request) -> Reply:
        if self.password and request.headers.get("Authorization", "") != f"Basic {self.password}":
            return Reply(401, {"WWW-Authenticate": 'Basic realm="files"'})
        content = self.files.get(request.path)
        if content is None:
            return Reply(404)
        etag = f'"{sha256(content).hexdigest()[:16]}"'
        headers = {"ETag": etag, "Last-Modified": formatdate(self.modified, usegmt=True)}
        if request.headers.get("If-None-Match") == etag:
            return Reply(304, headers)
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if asked and request.headers.get("If-Range") == etag:
            start = int(asked[1])
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return Reply(206, {**headers, "Content-Range": span}, content[start:])
        return Reply(200, headers, content)
