"""Which proxy an address is asked through, as ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` say.

Source: golang.org/x/net/http/httpproxy, since Docker, podman and kaniko read these variables that way.
"""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.registry.endpoints import is_loopback, origin


def proxy_for(url: str, environment: Mapping[str, str]) -> str:
    """The URL of the proxy to ask for a URL; "" where it is asked directly, as this very machine always is."""
    parts = origin(url)
    if parts is None:
        return ""
    scheme, host, port = parts
    proxy = _variable(environment, f"{scheme}_proxy")
    if not proxy or is_loopback(host) or _is_exempt(host, port, _variable(environment, "no_proxy")):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environment: Mapping[str, str], name: str) -> str:
    return (environment.get(name.upper()) or environment.get(name, "")).strip()


def _is_exempt(host: str, port: int, exemptions: str) -> bool:
    return any(_matches(host, port, word.strip().lower()) for word in exemptions.split(",") if word.strip())


def _matches(host: str, port: int, exemption: str) -> bool:
    """One word of NO_PROXY: ``*``, a network, or a host whose subdomains go along (only they, after a ``.``)."""
    if exemption == "*" or _is_within(host, exemption):
        return True
    name, _, wanted_port = exemption.partition(":")
    if wanted_port and wanted_port != str(port):
        return False
    name = name.removeprefix("*")
    if _is_within(host, name):
        return True
    return host.endswith(name) if name.startswith(".") else host == name or host.endswith(f".{name}")


def _is_within(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
