"""Asks with patience: follows redirects that may be followed, and asks again what may succeed the next time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import time
from typing import BinaryIO
from urllib.parse import urljoin

from minibuild.errors import RegistryError
from minibuild.registry.connections import SILENCE_S, Answer, Connections
from minibuild.registry.endpoints import objection, origin
from minibuild.registry.failures import Cut
from minibuild.values import dataclass, field, replace

_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})
PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses after which the same may be asked again."""
# Errors and redirects have short bodies, read so that their connection can be used again.
_SHORT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a thing is asked for in all, the first pause between (each next one is twice as long), and the
    longest pause, which is also the longest that a server's Retry-After is waited for. A server that says nothing for
    ``silence_s`` has been cut off.
    """

    attempts: int = 5
    pause_s: float = 0.5
    longest_s: float = 30.0
    silence_s: float = SILENCE_S

    def pause(self, attempt: int) -> float:
        """Seconds to wait after an attempt, counted from 1; a random part keeps many builders out of step."""
        from random import uniform

        base: float = self.pause_s * 2 ** (attempt - 1)
        return min(self.longest_s, base) * uniform(0.75, 1.25)


USUAL_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class Request:
    """What a server is asked. ``body`` may be what opens it at its start; ``once``: it can't just be asked again."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: bytes | Callable[[], BinaryIO] = b""
    once: bool = False

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """The same with more headers, or with others."""
        return replace(self, headers={**self.headers, **headers})


class Session:
    """Asks any server; which one, and with what authorization, is for the caller to know."""

    def __init__(self, connections: Connections, patience: Patience) -> None:
        self.connections = connections
        self.patience = patience

    def get(self, url: str, headers: Mapping[str, str], limit: int | None = None) -> Answer:
        """The answer with a status of 2xx or 401. Given a limit, its content is there already (one byte more than
        the limit if it is longer); else the caller reads and closes it. Raises Refusal for any other status.
        """
        return self.ask(Request(url, headers), limit)

    def ask(self, request: Request, limit: int | None = None) -> Answer:
        """The answer to any request, as ``get`` gives it."""
        attempts = 1 if request.once else self.patience.attempts
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                answer = self._follow(request)
                good = 200 <= answer.status < 300
                if limit is not None or not good:
                    answer.load(limit if limit is not None and good else _SHORT)
            except Cut:
                if last:
                    raise
                self.connections.sleep(self.patience.pause(attempt))
                continue
            if good or answer.status == 401:
                return answer
            wait = _retry_after(answer.headers)
            if last or answer.status not in PASSING or wait > self.patience.longest_s:
                raise answer.refusal()
            self.connections.sleep(wait or self.patience.pause(attempt))
        raise AssertionError("unreachable")

    def _follow(self, request: Request) -> Answer:
        """The answer at the end of the redirects. Authorization is for the origin it was made for, and no other."""
        for _ in range(_MOST_REDIRECTS + 1):
            url = request.url
            body = request.body() if callable(request.body) else request.body
            answer = self.connections.ask(request.method, url, request.headers, body)
            if answer.status not in _REDIRECTS:
                return answer
            answer.load(_SHORT)
            target = urljoin(url, answer.headers.get("Location", ""))
            if reason := objection(url, target):
                raise RegistryError(f"it sends us to {place(target)}, {reason}")
            if request.method not in ("GET", "HEAD") and answer.status not in _SAME_METHOD:
                raise RegistryError(
                    f"it answers a {request.method} by sending us to {place(target)} for something else"
                )
            headers = request.headers
            if origin(target) != origin(url):
                headers = {name: value for name, value in headers.items() if name != "Authorization"}
            request = replace(request, url=target, headers=headers)
        raise RegistryError(f"it sent us on {_MOST_REDIRECTS} times without coming to an end")


def place(url: str) -> str:
    """Scheme and host of a URL: the rest of one may be a signature, which is nobody's business."""
    parts = origin(url)
    return f"{parts[0]}://{parts[1]}" if parts else repr(url[:40])


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a server wants us to wait, which it may also say as a date; 0 where it doesn't say."""
    from email.utils import parsedate_to_datetime

    value = headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time())
    except (ValueError, OverflowError):
        return 0.0
