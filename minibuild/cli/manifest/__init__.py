"""``minibuild manifest …``: indices by hand, of images that were built apart. A command is a module, as in ``cli``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GROUP: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "create": ("create", "Make an index of images, under a name in the store"),
        "annotate": ("annotate", "Say more of an image in an index, or of the index itself"),
        "inspect": ("inspect", "Show an index or a manifest as it is, of the store or of a registry"),
        "push": ("push", "Put an index into a registry, with all its images"),
        "rm": ("rm", "Remove indices from the store"),
    }
)
