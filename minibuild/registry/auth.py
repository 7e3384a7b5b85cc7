"""Answers a registry's challenge: gets a token for what is asked, keeps it, and shows it from then on.

Source: Docker's token authentication specification; distribution's ``auth/challenge`` for the header's grammar.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import monotonic
from urllib.parse import urlencode

from minibuild.errors import RegistryError
from minibuild.registry.connections import Answer
from minibuild.registry.endpoints import objection, origin
from minibuild.registry.session import Session, place

_LARGEST_ANSWER = 1 << 20
# Source: the specification's default, for clients of old token servers that don't say expires_in.
_USUAL_LIFE_S = 60
_SPARE_S = 10
_CHALLENGE = re.compile(r"(?:^|,)\s*([A-Za-z]+)\s+(?=[A-Za-z_-]+\s*=)")
_PARAMETER = re.compile(r'([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way of authentication that a server accepts: its scheme in lower case, and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> Iterator[Challenge]:
    """The challenges of a ``WWW-Authenticate`` header, several of which may stand in a row."""
    starts = list(_CHALLENGE.finditer(header))
    for start, following in zip(starts, [*starts[1:], None], strict=False):
        text = header[start.end() : following.start() if following else len(header)]
        found = _PARAMETER.finditer(text)
        pairs = {
            name.lower(): re.sub(r"\\(.)", r"\1", quoted or bare)
            for name, quoted, bare in (m.groups("") for m in found)
        }
        yield Challenge(start[1].lower(), pairs)


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    expires: float


class Authorizer:
    """Asks a registry with whatever authorization it wants: so far, an anonymous token. Any thread may use it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._tokens: dict[tuple[object, str], _Token] = {}
        self._lock = threading.Lock()

    def get(self, url: str, headers: Mapping[str, str], scope: str, limit: int | None = None) -> Answer:
        """The registry's answer, of a status of 2xx, as ``Session.get`` gives it. The scope names what is asked for, as
        in ``repository:library/node:pull``.
        """
        key = (origin(url), scope)
        token = self._held(key)
        answer = self._session.get(url, _with_token(headers, token), limit)
        # Whoever the registry sent us on to has no business to make us fetch a token.
        if answer.status == 401 and origin(answer.url) == key[0]:
            token = self._renewed(key, answer, refused=token)
            if token:
                answer = self._session.get(url, _with_token(headers, token), limit)
        if answer.status == 401:
            raise answer.refusal()
        return answer

    def _held(self, key: tuple[object, str]) -> str:
        token = self._tokens.get(key)
        return token.value if token and token.expires > monotonic() else ""

    def _renewed(self, key: tuple[object, str], answer: Answer, refused: str) -> str:
        """A token other than the refused one; "" where the server wants something other than a token."""
        with self._lock:
            # Of several threads that were refused at the same time, one asks and the others find its token here.
            held = self._held(key)
            if held and held != refused:
                return held
            for challenge in parse_challenges(answer.headers.get("WWW-Authenticate", "")):
                if challenge.scheme == "bearer":
                    self._tokens[key] = self._fetch(challenge, key[1], answer.url)
                    return self._tokens[key].value
        return ""

    def _fetch(self, challenge: Challenge, scope: str, asked: str) -> _Token:
        realm = challenge.parameters.get("realm", "")
        if reason := objection(asked, realm):
            raise RegistryError(f"it wants a token from {place(realm)}, {reason}")
        query = {"service": challenge.parameters.get("service", ""), "scope": challenge.parameters.get("scope", scope)}
        given = urlencode({name: value for name, value in query.items() if value})
        answer = self._session.get(f"{realm}{'&' if '?' in realm else '?'}{given}", {}, _LARGEST_ANSWER)
        if answer.status == 401:
            raise answer.refusal()
        return _parse_token(answer.content, realm)


def _with_token(headers: Mapping[str, str], token: str) -> Mapping[str, str]:
    return {**headers, "Authorization": f"Bearer {token}"} if token else headers


def _parse_token(body: bytes, realm: str) -> _Token:
    try:
        document = json.loads(body)
        token = document.get("token") or document["access_token"]
        life = float(document.get("expires_in") or _USUAL_LIFE_S)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        token, life = "", 0.0
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise RegistryError(f"{place(realm)}, where it wants a token from, gave none")
    return _Token(token, monotonic() + max(life, _USUAL_LIFE_S) - _SPARE_S)
