"""What a server of the tests' own is asked, and what it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What was asked: the path with its query, the headers, and the body."""

    method: str
    path: str
    headers: Message
    body: bytes = b""

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query, the last of each name."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}


@dataclass(frozen=True)
class Reply:
    """What is answered. ``cut_at``: after so many bytes of the body the connection breaks, or ``hold`` is waited for;
    ``reset``: it breaks before a word is said.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut_at: int | None = None
    reset: bool = False
    hold: threading.Event | None = None


def error_of(code: str, message: str) -> bytes:
    """An error as the distribution specification writes it."""
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()
