"""``MINIBUILD_OFFLINE``, which ``build --offline`` sets: nobody is asked over any network.

It is looked at where connections are made, here and by git, so that nothing is forgotten; who knows better than
"unreachable" what to say looks before.
"""

from __future__ import annotations

from collections.abc import Mapping

OFFLINE = "MINIBUILD_OFFLINE"


def is_offline(environment: Mapping[str, str]) -> bool:
    """Whether the caller wants no network to be used."""
    return environment.get(OFFLINE, "").lower() not in ("", "0", "false", "no")
