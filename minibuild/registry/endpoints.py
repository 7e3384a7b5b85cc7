"""Where a registry's repositories are served: its own host, the mirrors asked before it, and what must not be asked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from minibuild.errors import MinibuildError, UsageError
from minibuild.oci import Reference
from minibuild.values import dataclass

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

Mirrors = Mapping[str, tuple[str, ...]]
"""The URLs asked before a registry itself, by the registry's name in references (``docker.io``)."""

_MIRROR_HINT = "write REGISTRY=URL, such as docker.io=http://127.0.0.1:5000"
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A place to ask: ``https://host[:port]``, and what stands before each repository's name there (``proxy/`` for
    the mirror ``https://host/proxy``, else ""), in the place of what is left out of it.
    """

    base: str
    prefix: str = ""
    left_out: str = ""

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """The endpoint that ``[http[s]://]host[:port][/path]`` says; without a scheme it is https, or http on this
        very machine. Raises UsageError.
        """
        scheme, _, rest = text.rpartition("://")
        host, _, path = rest.partition("/")
        if scheme not in ("", "http", "https") or not _HOST.fullmatch(host) or re.search(r"[?#@\s]", path):
            raise UsageError(f"{text!r} is no address of a registry, wanted [http[s]://]host[:port][/path]")
        path = path.strip("/")
        secure = origin(f"https://{host}")
        if secure is None:
            raise UsageError(f"{text!r} has a port that no registry can have")
        scheme = scheme or ("http" if is_loopback(secure[1]) else "https")
        return cls(f"{scheme}://{host}", f"{path}/" if path else "")

    def path(self, repository: str) -> str:
        """What a repository is called here."""
        inner = repository.removeprefix(self.left_out).removeprefix("/") if self.left_out else repository
        return f"{self.prefix}{inner}".rstrip("/")

    def url(self, repository: str, kind: str, name: str) -> str:
        """The URL of a manifest, a blob or a tag list."""
        return f"{self.base}/v2/{self.path(repository)}/{kind}/{name}"

    def __str__(self) -> str:
        return self.base + (f"/{self.prefix}" if self.prefix else "")


def endpoints(registry: str, mirrors: Mirrors) -> tuple[Endpoint, ...]:
    """Where to ask for a registry's images: the mirrors in their order, then the registry itself."""
    host = "registry-1.docker.io" if registry == "docker.io" else registry
    return (*map(Endpoint.parse, mirrors.get(registry, ())), Endpoint.parse(host))


def parse_mirrors(words: Sequence[str]) -> Mirrors:
    """The mirrors that words like ``docker.io=http://127.0.0.1:5000`` name, in their order; raises UsageError with
    the word at fault.
    """
    mirrors: dict[str, tuple[str, ...]] = {}
    for word in words:
        registry, equals, address = word.partition("=")
        if not equals:
            raise UsageError(f"the registry mirror {word!r} has no '='", hint=_MIRROR_HINT)
        try:
            reference = Reference.parse(f"{registry}/a/b")
            if reference.repository != "a/b":
                raise UsageError(f"{registry!r} is no registry's name")
            Endpoint.parse(address)
        except MinibuildError as error:
            raise UsageError(f"the registry mirror {word!r} can't be: {error.message}", hint=_MIRROR_HINT) from None
        mirrors[reference.registry] = (*mirrors.get(reference.registry, ()), address)
    return mirrors


def is_loopback(host: str) -> bool:
    """A host (no port, no brackets) is this very machine: ``localhost``, 127.0.0.0/8 or ::1."""
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host (no brackets) and port of a web address, the port spelled out; None where it isn't one."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def objection(asked: str, target: str) -> str:
    """Why a server at one URL may not send us on to another, as the end of a sentence; "" where it may.

    What a registry says must not make us ask in clear text what was asked in secret, nor ask things inside this
    machine or its cloud's metadata service for somebody outside.
    """
    source, goal = origin(asked), origin(target)
    if source is None or goal is None:
        return "which is no web address"
    if source[0] == "https" and goal[0] == "http":
        return "which is not encrypted, though it is itself"
    address = _address(goal[1])
    if address is not None and address.is_link_local:
        return "which is an address of this machine's own link"
    if is_loopback(goal[1]) and not is_loopback(source[1]):
        return "which is this machine itself"
    return ""


def _address(host: str) -> IPv4Address | IPv6Address | None:
    from ipaddress import ip_address

    try:
        return ip_address(host)
    except ValueError:
        return None
