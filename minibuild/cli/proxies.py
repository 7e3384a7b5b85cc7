"""The proxies that docker's configuration has for containers: docker gives them to every build as build arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from minibuild.errors import UsageError

# The configuration's names and the variables'. Source: docker's config.json reference, proxies.
_NAMES = {
    "httpProxy": "HTTP_PROXY",
    "httpsProxy": "HTTPS_PROXY",
    "noProxy": "NO_PROXY",
    "ftpProxy": "FTP_PROXY",
    "allProxy": "ALL_PROXY",
}
_DAEMON = "unix:///var/run/docker.sock"


def configured_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """Proxy variables, in upper and in lower case; none where docker isn't configured. Raises UsageError for a file
    that isn't what docker writes.
    """
    home = environment.get("DOCKER_CONFIG") or f"{environment.get('HOME', '')}/.docker"
    file = Path(home) / "config.json"
    try:
        document = json.loads(file.read_bytes())
        proxies = document.get("proxies") or {}
        ours = proxies.get(environment.get("DOCKER_HOST") or _DAEMON, proxies.get("default", {}))
        given = {variable: ours[name] for name, variable in _NAMES.items() if ours.get(name)}
    except OSError:
        return {}
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{file} is not what docker writes: {error}", hint="mend it, or move it away") from error
    return {spelling: str(value) for name, value in given.items() for spelling in (name, name.lower())}
