"""Whom a RUN asks for the names of hosts: its /etc/resolv.conf."""

from __future__ import annotations

from minibuild.runtimes.base import Network, is_private
from minibuild.values import dataclass

NO_SEARCH = "."


@dataclass(frozen=True, slots=True)
class Resolver:
    """What takes the place of this machine's lines of the same kind, where anything does. ``search`` may be
    ``NO_SEARCH`` alone. Source: resolv.conf(5); docker run's ``--dns``, ``--dns-search``, ``--dns-option``.
    """

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def resolv_conf(self, ours: str, network: Network) -> str:
        """The file for a container on a network; ``ours`` is this machine's."""
        servers = self.servers or _servers_of(network)
        search = [] if self.search == (NO_SEARCH,) else [" ".join(("search", *self.search))]
        replaced = {
            "nameserver": [f"nameserver {server}" for server in servers] if servers else None,
            "search": search if self.search else None,
            "options": [" ".join(("options", *self.options))] if self.options else None,
        }
        fresh = [line for lines in replaced.values() for line in lines or ()]
        gone = {kind for kind, lines in replaced.items() if lines is not None}
        if not gone:
            return ours
        gone |= {"domain"} if self.search else set()
        kept = [line for line in ours.splitlines() if not gone & set(line.split()[:1])]
        return "".join(f"{line}\n" for line in (*fresh, *kept))


def _servers_of(network: Network) -> tuple[str, ...]:
    if not is_private(network):
        return ()
    from minibuild.runtimes.networks import NAMESERVER

    return (NAMESERVER,)
