"""A wire to a real server that breaks: passes bytes on, and cuts connections after as many as it is told."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Wire:
    """Listens at ``host`` for what is meant for a target ``host:port``. Each of the first connections is cut, in both
    directions, once the server has sent as many bytes as ``cuts`` say; later ones hold.
    """

    def __init__(self, target: str, *cuts: int) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._cuts = list(cuts)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.host = f"localhost:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    @property
    def cuts_left(self) -> int:
        """How many cuts are still to come."""
        return len(self._cuts)

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._target)
                limit = self._cuts.pop(0) if self._cuts else None
                threading.Thread(target=_pass_on, args=(near, far, None), daemon=True).start()
                threading.Thread(target=_pass_on, args=(far, near, limit), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, limit: int | None) -> None:
    """Passes on what comes, at most ``limit`` bytes of it, then ends both connections."""
    with suppress(OSError):
        while limit != 0 and (piece := source.recv(65536 if limit is None else min(65536, limit))):
            sink.sendall(piece)
            limit = None if limit is None else limit - len(piece)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
