"""``minibuild storage …``: room for trees where a snapshotter needs its own. A command is a module, as in ``cli``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GROUP: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "create": ("create", "Make a thin pool for devicemapper"),
        "ls": ("ls", "Show what was made, and how much of it is in use"),
        "rm": ("rm", "Take it away, and all trees in it"),
    }
)
