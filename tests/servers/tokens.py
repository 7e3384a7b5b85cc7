"""A server that gives tokens which Debian's docker-registry believes: JSON web tokens, signed by openssl.

Source: distribution, docs/spec/auth/{token,oauth,jwt}.
"""

from __future__ import annotations

import json
import ssl
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from pathlib import Path
from subprocess import run
from urllib.parse import parse_qs, urlsplit

from tests.servers.certificates import Certificate
from tests.servers.exchange import Reply, Request, error_of
from tests.servers.registry import RegistryServer

# How long docker-registry takes a token after it has expired.
_LEEWAY_S = 60


class TokenServer(RegistryServer):
    """Gives tokens at ``/token``: to anybody for pulling what is below ``public/``, to whom it knows for everything.

    ``password`` is ``name:password``, ``identity`` what may be shown instead of it. ``lives_s``: how long the registry
    takes the next token; later ones are good for minutes. All are said to be good for five.
    """

    def __init__(self, signer: Certificate, *, password: str, identity: str) -> None:
        super().__init__()
        self._signer = signer
        self.password = password
        self.identity = identity
        self.lives_s: list[float] = []

    def auth(self) -> dict[str, object]:
        """What the configuration of docker-registry says of us."""
        realm = {"realm": f"{self.url}/token", "service": "registry", "issuer": "tests"}
        return {"token": {**realm, "rootcertbundle": str(self._signer.path)}}

    def scopes(self) -> list[list[str]]:
        """The scopes that were asked for, by request."""
        return [_asked(request).get("scope", []) for request in self.requests]

    def _true_reply(self, request: Request) -> Reply:
        asked = _asked(request)
        shown = request.headers.get("Authorization", "").removeprefix("Basic ")
        known = (shown and b64decode(shown).decode() == self.password) or asked.get("refresh_token") == [self.identity]
        if not known and (shown or "refresh_token" in asked):
            return Reply(401, {}, error_of("UNAUTHORIZED", "incorrect username or password"))
        scopes = [scope for words in asked.get("scope", []) for scope in words.split(" ")]
        token = self._token([access for scope in scopes for access in _granted(scope, known=bool(known))])
        return Reply(body=json.dumps({"token": token, "expires_in": 300}).encode())

    def _token(self, access: list[dict[str, object]]) -> str:
        now = time.time()
        ends = now + self.lives_s.pop(0) - _LEEWAY_S if self.lives_s else now + 300
        certificate = ssl.PEM_cert_to_DER_cert(Path(self._signer.path).read_text())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [b64encode(certificate).decode()]}
        claims = {"iss": "tests", "sub": "somebody", "aud": "registry", "jti": str(now), "access": access}
        times = {"exp": int(ends), "nbf": int(now) - 100, "iat": int(now)}
        content = f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims | times).encode())}"
        sign = ["openssl", "dgst", "-sha256", "-sign", str(self._signer.key)]
        return f"{content}.{_encoded(run(sign, input=content.encode(), capture_output=True, check=True).stdout)}"


def _asked(request: Request) -> dict[str, list[str]]:
    """The parameters, of the URL or of a form."""
    return parse_qs(request.body.decode() if request.method == "POST" else urlsplit(request.path).query)


def _granted(scope: str, *, known: bool) -> list[dict[str, object]]:
    kind, name, actions = scope.split(":")
    allowed = ["pull", "push"] if known else ["pull"] if name.startswith("public/") else []
    given = [action for action in actions.split(",") if action in allowed]
    return [{"type": kind, "name": name, "actions": given}] if given else []


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
