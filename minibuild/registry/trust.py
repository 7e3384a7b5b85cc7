"""Whom to believe that it is the registry it claims to be, and what to show it: certificates, as docker and podman
keep them in ``certs.d/HOST[:PORT]/``.

Source: docker's "Verify repository client with certificates"; containers-certs.d(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.errors import RegistryError
from minibuild.registry.failures import Unreachable
from minibuild.values import dataclass

if TYPE_CHECKING:
    from ssl import SSLContext

_MACHINES = ("/etc/containers/certs.d", "/etc/docker/certs.d")


@dataclass(frozen=True, slots=True)
class Trust:
    """``authorities`` are believed besides the usual ones; ``clients`` are pairs of a certificate and its key; ``not
    verifies``: any certificate will do.
    """

    authorities: tuple[Path, ...] = ()
    clients: tuple[tuple[Path, Path], ...] = ()
    verifies: bool = True

    def context(self, environment: Mapping[str, str]) -> SSLContext:
        """What TLS connections are made with. Raises RegistryError for files that are no certificates."""
        import ssl

        # OpenSSL reads these two by itself, but only from the environment that the process was started with.
        cafile, capath = environment.get("SSL_CERT_FILE") or None, environment.get("SSL_CERT_DIR") or None
        try:
            context = ssl.create_default_context(cafile=cafile, capath=capath)
        except FileNotFoundError:
            raise Unreachable("the file that SSL_CERT_FILE names isn't there") from None
        try:
            for authority in self.authorities:
                context.load_verify_locations(authority)
            for certificate, key in self.clients:
                context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            names = ", ".join(map(str, (*self.authorities, *(name for pair in self.clients for name in pair))))
            raise RegistryError(f"one of {names} can't be used: {error}") from error
        if not self.verifies:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def trust_in(host: str, environment: Mapping[str, str], insecure: frozenset[str]) -> Trust:
    """What is kept for ``host[:port]``."""
    verifies = not {host, "*"} & insecure
    directory = kept_for(host, environment)
    if directory is None:
        return Trust(verifies=verifies)
    clients = tuple((each, each.with_suffix(".key")) for each in sorted(directory.glob("*.cert")))
    return Trust(tuple(sorted(directory.glob("*.crt"))), clients, verifies)


def kept_for(host: str, environment: Mapping[str, str]) -> Path | None:
    """The directory of a host's certificates: where MINIBUILD_CERTS_D names one of them all, the user's, or else the
    machine's; None where nobody keeps any.
    """
    named = environment.get("MINIBUILD_CERTS_D")
    config, home = environment.get("XDG_CONFIG_HOME"), environment.get("HOME")
    own = [(Path(config) if config else Path(home or "") / ".config") / "containers/certs.d"] if config or home else []
    for place in (*([Path(named)] if named else []), *own, *map(Path, _MACHINES)):
        if "/" not in host and (place / host).is_dir():
            return place / host
    return None
