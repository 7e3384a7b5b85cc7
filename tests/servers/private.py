"""A web server of a directory that lets in who shows the right ``Authorization``, as hosts of repositories do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


@dataclass
class PrivateServer:
    """``authorization`` is what has to be shown, "" for nothing; ``shown`` is what was shown, oldest first."""

    url: str
    authorization: str = ""
    shown: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        """Name and port."""
        return self.url.partition("://")[2]


@contextmanager
def serving_privately(root: Path, authorization: str = "") -> Iterator[PrivateServer]:
    """Serves the files below a directory on loopback while the block lasts."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("Authorization", "")
            served.shown.append(given)
            if served.authorization and given != served.authorization:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="private"')
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *words: Handler(*words, directory=str(root)))
    served = PrivateServer(f"http://127.0.0.1:{server.server_port}", authorization)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
