"""Who we are to a registry: names and passwords where docker, podman and credential helpers keep them.

Source: docker's ``config.json`` reference; containers-auth.json(5); docker/docker-credential-helpers' protocol.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from minibuild.values import dataclass, field

_DOCKER_HUB = ("docker.io", "index.docker.io", "registry-1.docker.io")
# What docker itself calls its registry in its file, and asks its helpers for.
_DOCKER_HUB_KEY = "https://index.docker.io/v1/"
_HELPER_S = 60
_LARGEST_FILE = 4 << 20


@dataclass(frozen=True, slots=True)
class Credential:
    """A name and a password, or an ``identity_token`` to be exchanged for access; ``source`` says whose they are."""

    source: str
    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The header's value that shows name and password."""
        pair = f"{self.username}:{self.password}".encode()
        return "Basic " + base64.b64encode(pair).decode()


class Keychain:
    """Finds credentials, in the order that docker and podman look. Any thread may ask it; nothing is read before.

    ``given`` is shown to everybody, whatever is kept. ``complaints`` are what kept a place from being asked: they
    matter only to whom a registry turns away.
    """

    def __init__(self, environment: Mapping[str, str], given: Credential | None = None) -> None:
        self._environment = environment
        self._given = given
        self._configs: list[_Config] | None = None
        self._found: dict[tuple[str, str], Credential | None] = {}
        self._lock = threading.Lock()
        self.complaints: list[str] = []

    def find(self, host: str, repository: str) -> Credential | None:
        """What is kept for a repository at a host (``host[:port]``, as endpoints have it); None for nobody.

        An entry counts for the very host that it names, and, where it names a path, for what lies below it; the
        longest one first.
        """
        if self._given:
            return self._given
        names = _names(host)
        with self._lock:
            for config, key in product(self._files(), _keys(names, repository)):
                if (config.name, key) not in self._found:
                    self._found[config.name, key] = self._look_up(config, key, is_host=key == names[0])
                if (credential := self._found[config.name, key]) is not None:
                    return credential
        return None

    @property
    def asked(self) -> str:
        """Where was looked, for a person whom a registry turned away."""
        return ", ".join(config.name for config in self._files()) or "no file of credentials (there is none)"

    def _files(self) -> list[_Config]:
        if self._configs is None:
            self._configs = list(self._read())
        return self._configs

    def _read(self) -> Iterator[_Config]:
        if text := self._environment.get("DOCKER_AUTH_CONFIG"):
            yield from self._parsed("DOCKER_AUTH_CONFIG", text)
        for path in config_files(self._environment):
            try:
                if path.stat().st_size > _LARGEST_FILE:
                    self.complaints.append(f"{path} is larger than {_LARGEST_FILE} bytes")
                    continue
                text = path.read_text()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, UnicodeError) as error:
                self.complaints.append(f"{path} can't be read: {error}")
                continue
            yield from self._parsed(str(path), text)

    def _parsed(self, name: str, text: str) -> Iterator[_Config]:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.complaints.append(f"{name} is no JSON: {error}")
            return
        if isinstance(document, dict):
            yield _Config(
                name, _object(document, "auths"), _object(document, "credHelpers"), document.get("credsStore")
            )

    def _look_up(self, config: _Config, key: str, *, is_host: bool) -> Credential | None:
        helper = config.helpers.get(key) or (config.store if is_host else None)
        if isinstance(helper, str) and helper and (credential := self._from_helper(helper, key)) is not None:
            return credential
        for name, entry in config.auths.items():
            if _as_key(name) == _as_key(key) and isinstance(entry, dict):
                try:
                    return _parse_entry(entry, config.name)
                except ValueError:
                    self.complaints.append(f"{config.name} has an entry for {name} that can't be read")
        return None

    def _from_helper(self, helper: str, key: str) -> Credential | None:
        import subprocess

        program = f"docker-credential-{helper}"
        if "/" in helper:
            self.complaints.append(f"{helper!r} is no credential helper's name")
            return None
        try:
            asked = subprocess.run(
                [program, "get"],
                input=key.encode(),
                env=dict(self._environment),
                capture_output=True,
                timeout=_HELPER_S,
            )
            document = json.loads(asked.stdout) if not asked.returncode else None
        except FileNotFoundError:
            self.complaints.append(f"{program} is not in PATH")
            return None
        except (OSError, subprocess.TimeoutExpired, ValueError, RecursionError) as error:
            self.complaints.append(f"{program} can't be used: {type(error).__name__}")
            return None
        if document is None:
            said = (asked.stdout or asked.stderr).decode("utf-8", "replace").strip()
            # Source: docker-credential-helpers, credentials.errCredentialsNotFoundMessage.
            if "credentials not found" not in said:
                self.complaints.append(f"{program} said: {said[:200]}")
            return None
        user, secret = (document.get(name) if isinstance(document, dict) else None for name in ("Username", "Secret"))
        if not isinstance(user, str) or not isinstance(secret, str) or not secret:
            self.complaints.append(f"{program} gave no Username and Secret")
            return None
        return Credential(program, identity_token=secret) if user == "<token>" else Credential(program, user, secret)


@dataclass(frozen=True, slots=True)
class _Config:
    """One file of credentials."""

    name: str
    auths: Mapping[str, Any]
    helpers: Mapping[str, Any]
    store: object


def config_files(environment: Mapping[str, str]) -> list[Path]:
    """The files that docker and podman keep credentials in, whether they are there or not, first ones first."""
    home = Path(environment.get("HOME") or Path.home())
    docker = environment.get("DOCKER_CONFIG")
    run = environment.get("XDG_RUNTIME_DIR")
    config = environment.get("XDG_CONFIG_HOME")
    named = environment.get("REGISTRY_AUTH_FILE")
    return [
        *([Path(named)] if named else []),
        (Path(docker) if docker else home / ".docker") / "config.json",
        *([Path(run) / "containers/auth.json"] if run else []),
        (Path(config) if config else home / ".config") / "containers/auth.json",
    ]


def key_of(host: str) -> str:
    """What docker calls a host in its file."""
    return _names(host)[0]


def _names(host: str) -> tuple[str, ...]:
    return (_DOCKER_HUB_KEY, *_DOCKER_HUB) if host in _DOCKER_HUB else (host,)


def _keys(names: tuple[str, ...], repository: str) -> Iterator[str]:
    """What an entry for a repository may be called, the closest first."""
    parts = repository.split("/") if repository else []
    for count in range(len(parts), 0, -1):
        for name in names:
            if "://" not in name:
                yield "/".join([name, *parts[:count]])
    yield from names


def _as_key(name: str) -> str:
    """A key of a file as a plain host or path: docker keeps old ones with a scheme and the protocol's version."""
    bare = name.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, _, path = bare.partition("/")
    return host if path in ("v1", "v2") else bare


def _parse_entry(entry: Mapping[str, Any], source: str) -> Credential | None:
    """An entry of ``auths``; None for one that is empty, as docker leaves it beside a helper. Raises ValueError."""
    token, user, password = (entry.get(name) for name in ("identitytoken", "username", "password"))
    if isinstance(token, str) and token:
        return Credential(source, identity_token=token)
    if isinstance(encoded := entry.get("auth"), str) and encoded:
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeError) as error:
            raise ValueError(str(error)) from error
        user, colon, password = text.rstrip("\0").partition(":")
        if not colon:
            raise ValueError("it has no colon")
    if isinstance(user, str) and isinstance(password, str) and (user or password):
        return Credential(source, user, password)
    return None


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
