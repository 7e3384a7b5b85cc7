"""Answers a registry's challenge: gets a token for what is asked, keeps it, and shows it from then on.

Source: Docker's token authentication specification; distribution's ``auth/challenge`` for the header's grammar.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from math import inf
from time import monotonic
from urllib.parse import urlencode, urlsplit

from minibuild.errors import RegistryError
from minibuild.registry.connections import Answer
from minibuild.registry.credentials import Credential, Keychain
from minibuild.registry.endpoints import objection, origin
from minibuild.registry.failures import Refusal
from minibuild.registry.session import Request, Session, place
from minibuild.values import dataclass

_LARGEST_ANSWER = 1 << 20
# Source: the specification's default, for clients of old token servers that don't say expires_in.
_USUAL_LIFE_S = 60
_SPARE_S = 10
_CHALLENGE = re.compile(r"(?:^|,)\s*([A-Za-z]+)\s+(?=[A-Za-z_-]+\s*=)")
_PARAMETER = re.compile(r'([A-Za-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Scope:
    """What of a repository is asked for: ``pull``, or ``pull,push``; without a repository, to be known at all."""

    repository: str = ""
    actions: str = "pull"

    def __str__(self) -> str:
        return f"repository:{self.repository}:{self.actions}" if self.repository else ""


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
class _Proof:
    """What the Authorization header shows, and until when it is good (``monotonic`` seconds)."""

    header: str
    expires: float


class Authorizer:
    """Asks a registry with whatever authorization it wants: a token, got anonymously or for the credentials that the
    keychain has for it, or the credentials themselves. Any thread may use it.
    """

    def __init__(self, session: Session, keychain: Keychain) -> None:
        self._session = session
        self._keychain = keychain
        self._proofs: dict[tuple[object, str], _Proof] = {}
        self._lock = threading.Lock()

    def ask(self, request: Request, scope: Scope, limit: int | None = None) -> Answer:
        """The registry's answer, of a status of 2xx, as ``Session.ask`` gives it."""
        key = (origin(request.url), str(scope))
        proof = self._held(key)
        try:
            answer = self._session.ask(_with_proof(request, proof), limit)
            # Whoever the registry sent us on to has no business to make us fetch a token.
            if answer.status == 401 and origin(answer.url) == key[0]:
                proof = self._renewed(key, answer, scope, refused=proof)
                if proof:
                    answer = self._session.ask(_with_proof(request, proof), limit)
            if answer.status == 401:
                raise answer.refusal()
            return answer
        except Refusal as error:
            if error.status in (401, 403):
                error.hint = self._explained(netloc(request.url), scope)
            raise

    def _held(self, key: tuple[object, str]) -> str:
        proof = self._proofs.get(key)
        return proof.header if proof and proof.expires > monotonic() else ""

    def _renewed(self, key: tuple[object, str], answer: Answer, scope: Scope, refused: str) -> str:
        """A proof other than the refused one; "" where the server wants something that we haven't got."""
        credential = self._keychain.find(netloc(answer.url), scope.repository)
        with self._lock:
            # Of several threads that were refused at the same time, one asks and the others find its token here.
            held = self._held(key)
            if held and held != refused:
                return held
            for challenge in parse_challenges(answer.headers.get("WWW-Authenticate", "")):
                if challenge.scheme == "bearer":
                    self._proofs[key] = self._fetch(challenge, scope, answer.url, credential)
                elif challenge.scheme == "basic" and credential and credential.password and credential.basic != refused:
                    self._proofs[key] = _Proof(credential.basic, inf)
                else:
                    continue
                return self._proofs[key].header
        return ""

    def _fetch(self, challenge: Challenge, scope: Scope, asked: str, credential: Credential | None) -> _Proof:
        realm = challenge.parameters.get("realm", "")
        if reason := objection(asked, realm):
            raise RegistryError(f"it wants a token from {place(realm)}, {reason}")
        given = challenge.parameters
        query = {"service": given.get("service", ""), "scope": given.get("scope", str(scope))}
        answer = self._session.ask(_token_request(realm, query, credential), _LARGEST_ANSWER)
        if answer.status == 401:
            raise answer.refusal()
        return _parse_token(answer.content, realm)

    def _explained(self, host: str, scope: Scope) -> str:
        """Who we were, and where we looked for who we could be."""
        credential = self._keychain.find(host, scope.repository)
        who = (
            f"minibuild asked as {credential.username or 'the owner of a token'!r}, whom {credential.source} names"
            if credential
            else f"minibuild asked as nobody: nothing is kept for {host} in {self._keychain.asked}"
        )
        return "; ".join([f"it is private, or doesn't exist; {who}", *self._keychain.complaints])


def netloc(url: str) -> str:
    """The ``host[:port]`` of a URL, as it is written there."""
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def _with_proof(request: Request, proof: str) -> Request:
    return request.with_headers({"Authorization": proof}) if proof else request


def _token_request(realm: str, query: Mapping[str, str], credential: Credential | None) -> Request:
    """Asks for a token by GET; one in exchange for an identity token by POST, as OAuth 2 has it.

    Source: distribution, docs/spec/auth/{token,oauth}.
    """
    given = {name: value for name, value in query.items() if value}
    # Taking a blob over from another repository takes two scopes: in a form with a blank between, in a URL each alone.
    scopes = [("scope", scope) for scope in given.pop("scope", "").split()]
    if credential and credential.identity_token:
        scope = " ".join(scope for _, scope in scopes)
        form = {**given, "scope": scope, "grant_type": "refresh_token", "refresh_token": credential.identity_token}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request(realm, headers, "POST", urlencode({**form, "client_id": "minibuild"}).encode())
    url = f"{realm}{'&' if '?' in realm else '?'}{urlencode([*given.items(), *scopes])}"
    return Request(url, {"Authorization": credential.basic} if credential and credential.password else {})


def _parse_token(body: bytes, realm: str) -> _Proof:
    try:
        document = json.loads(body)
        token = document.get("token") or document["access_token"]
        life = float(document.get("expires_in") or _USUAL_LIFE_S)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        token, life = "", 0.0
    if not isinstance(token, str) or not re.fullmatch(r"[\x21-\x7e]+", token):
        raise RegistryError(f"{place(realm)}, where it wants a token from, gave none")
    return _Proof(f"Bearer {token}", monotonic() + max(life, _USUAL_LIFE_S) - _SPARE_S)
