"""An index: one name, several platforms' manifests, and which of them a platform runs.

Source: image-spec image-index.md; the fall-back of variants is containerd's (``platforms.Only``), within one
architecture: a 32-bit image is never taken for a 64-bit one unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from minibuild.errors import ImageError
from minibuild.oci.image import Descriptor, MediaType, parse_manifest
from minibuild.oci.platform import Platform

INDEX_TYPES = frozenset({MediaType.INDEX, MediaType.DOCKER_INDEX})
MANIFEST_TYPES = frozenset({MediaType.MANIFEST, MediaType.DOCKER_MANIFEST})

# What runs on each of Arm's 64-bit generations, best first.
_ARM64 = ("v8", "v8.1", "v8.2", "v8.3", "v8.4", "v8.5", "v8.6", "v8.7", "v8.8", "v8.9")
_ARM64_9 = {"v9": 5, "v9.1": 6, "v9.2": 7, "v9.3": 8, "v9.4": 9}
_USUAL_VARIANT = {"arm": "v7", "arm64": "v8", "amd64": "v1"}


def parse_index(raw: bytes) -> tuple[Descriptor, ...]:
    """The manifests that an index lists, in its order; raises ImageError where it isn't one."""
    manifests = parse_manifest(raw).get("manifests")
    if not isinstance(manifests, list) or not all(isinstance(item, dict) for item in manifests):
        raise ImageError("the index has no list of manifests")
    return tuple(map(Descriptor.parse, manifests))


def choose(manifests: Sequence[Descriptor], platform: Platform) -> Descriptor | None:
    """The manifest that a platform runs best, the index's order deciding between equals; None: there is none.

    A lone manifest that doesn't say its platform is taken for what was asked.
    """
    images = [item for item in manifests if item.media_type in INDEX_TYPES | MANIFEST_TYPES]
    for variant in _variants(platform):
        for item in images:
            if item.platform and _runs(item.platform, platform, variant):
                return item
    unnamed = [item for item in images if item.platform is None]
    return unnamed[0] if len(unnamed) == 1 else None


def runs_on(offered: Platform, wanted: Platform) -> bool:
    """Whether an image for one platform is one for another too: arm64/v8 is arm64, and arm/v7 runs what is for v6."""
    return any(_runs(offered, wanted, variant) for variant in _variants(wanted))


def _runs(offered: Platform, wanted: Platform, variant: str) -> bool:
    if (offered.os, offered.architecture) != (wanted.os, wanted.architecture):
        return False
    return (offered.variant or _USUAL_VARIANT.get(offered.architecture, "")) == variant


def _variants(platform: Platform) -> Sequence[str]:
    variant = platform.variant or _USUAL_VARIANT.get(platform.architecture, "")
    generation = variant.removeprefix("v")
    match platform.architecture:
        case "arm" if generation.isdigit():
            return [f"v{number}" for number in range(int(generation), 4, -1)] or [variant]
        case "amd64" if generation.isdigit():
            return [f"v{number}" for number in range(int(generation), 0, -1)] or [variant]
        case "arm64" if variant in _ARM64:
            return _ARM64[_ARM64.index(variant) :: -1]
        case "arm64" if variant in _ARM64_9:
            older = list(_ARM64_9)[: list(_ARM64_9).index(variant) + 1]
            return [*reversed(older), *_ARM64[_ARM64_9[variant] :: -1]]
    return [variant]
