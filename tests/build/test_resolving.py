"""A container's resolv.conf."""

from __future__ import annotations

import pytest

from minibuild.build.resolving import Resolver
from minibuild.runtimes.base import Network

OURS = "# ours\ndomain old\nnameserver 127.0.0.53\nsearch a b\noptions edns0\nnameserver ::1\n"

FILES: dict[str, tuple[Resolver, Network, str]] = {
    "nothing given": (Resolver(), "host", OURS),
    "no network": (Resolver(), "none", OURS),
    "a private network": (
        Resolver(),
        "private",
        "nameserver 10.0.2.3\n# ours\ndomain old\nsearch a b\noptions edns0\n",
    ),
    "servers": (
        Resolver(servers=("192.0.2.1", "::2")),
        "pasta",
        "nameserver 192.0.2.1\nnameserver ::2\n# ours\ndomain old\nsearch a b\noptions edns0\n",
    ),
    "domains": (
        Resolver(search=("x.example", "y")),
        "host",
        "search x.example y\n# ours\nnameserver 127.0.0.53\noptions edns0\nnameserver ::1\n",
    ),
    "no domains": (
        Resolver(search=(".",)),
        "host",
        "# ours\nnameserver 127.0.0.53\noptions edns0\nnameserver ::1\n",
    ),
    "options": (
        Resolver(options=("ndots:1", "rotate")),
        "host",
        "options ndots:1 rotate\n# ours\ndomain old\nnameserver 127.0.0.53\nsearch a b\nnameserver ::1\n",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_given_takes_the_place_of_lines_of_its_kind(name: str) -> None:
    resolver, network, expected = FILES[name]
    assert resolver.resolv_conf(OURS, network) == expected
