"""The options that say which network RUN and containers have, whom they ask for names, and whom they trust."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.cli.options import Add
from minibuild.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from minibuild.build.resolving import Resolver
    from minibuild.runtimes.base import Network

# What there is in glibc's resolver. Source: resolv.conf(5).
_NUMBERS = ("attempts", "ndots", "timeout")
_SWITCHES = (
    "debug",
    "edns0",
    "inet6",
    "no-aaaa",
    "no-check-names",
    "no-reload",
    "no-tld-query",
    "rotate",
    "single-request",
    "single-request-reopen",
    "strict-error",
    "trust-ad",
    "use-vc",
)
_DOMAIN = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")


def add_names(add: Add) -> None:
    """``--dns…`` and ``--ca-bundle``."""
    words = "a name server in place of this machine's; repeatable"
    add("--dns", action="append", default=[], metavar="ADDRESS", help=words)
    words = "a domain that short names are looked up in, in place of this machine's; . for none; repeatable"
    add("--dns-search", action="append", default=[], metavar="DOMAIN", help=words)
    words = "an option of resolv.conf(5), such as ndots:1, in place of this machine's; repeatable"
    add("--dns-option", action="append", default=[], metavar="OPTION", help=words)
    words = (
        "certificates (PEM) to trust in place of the image's own, by variables that programs go by; never in an image"
    )
    add("--ca-bundle", type=_bundle, default=b"", metavar="FILE", help=words)


def network_called(word: str) -> Network:
    """What a word of ``--network`` means, ``default`` among them; raises UsageError."""
    match word:
        case "default":
            return "host"
        case "host" | "none" | "private" | "slirp4netns" | "pasta":
            return word
    hint = "host is this machine's, private one of its own, none has loopback alone"
    if word.startswith(("slirp4netns:", "pasta:")):
        hint = f"{word.partition(':')[0]} has no options here"
    raise UsageError(f"--network={word} is not supported", hint=did_you_mean(word, ("private", "host", "none")) or hint)


def resolver_of(arguments: argparse.Namespace) -> Resolver:
    """What ``--dns…`` say; raises UsageError."""
    from minibuild.build.resolving import NO_SEARCH, Resolver

    domains = tuple(map(_domain, _parted(arguments.dns_search)))
    return Resolver(
        servers=tuple(map(_server, _parted(arguments.dns))),
        search=(NO_SEARCH,) if NO_SEARCH in domains else domains,
        options=tuple(map(_option, _parted(arguments.dns_option))),
    )


def _parted(words: Sequence[str]) -> list[str]:
    """Podman takes several at once."""
    return [part for word in words for part in word.split(",")]


def _server(word: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        raise UsageError(f"--dns wants an address such as 192.0.2.53, got {word!r}") from None


def _domain(word: str) -> str:
    if word != "." and (len(word) > 253 or not _DOMAIN.fullmatch(word)):
        raise UsageError(f"--dns-search wants a domain such as example.org, or . for none, got {word!r}")
    return word


def _option(word: str) -> str:
    name, colon, value = word.partition(":")
    if name in _NUMBERS and not re.fullmatch(r"[0-9]{1,5}", value):
        raise UsageError(f"--dns-option {word!r} wants a number: {name}:N")
    if name in _SWITCHES and colon:
        raise UsageError(f"--dns-option {word!r} wants {name} alone")
    if name not in (*_NUMBERS, *_SWITCHES):
        known = (*_NUMBERS, *_SWITCHES)
        hint = did_you_mean(name, known) or f"choose from {', '.join(known)}"
        raise UsageError(f"--dns-option {word!r} is nothing that a resolver knows", hint=hint)
    return word


def _bundle(word: str) -> bytes:
    from minibuild.build.certificates import read_bundle

    return read_bundle(Path(os.path.expanduser(word)))
