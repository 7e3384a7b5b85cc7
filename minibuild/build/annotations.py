"""Annotations: what manifests and indices say of images besides their configurations (image-spec annotations.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from minibuild.oci import Platform
from minibuild.values import dataclass

MANIFEST, INDEX = "manifest", "index"
MANIFEST_DESCRIPTOR, INDEX_DESCRIPTOR = "manifest-descriptor", "index-descriptor"
PLACES = (MANIFEST, INDEX, MANIFEST_DESCRIPTOR, INDEX_DESCRIPTOR)
"""Where they stand: in a manifest, in an index, or in the descriptor by which an index lists a manifest, and a layout
an index.
"""


@dataclass(frozen=True, slots=True)
class Annotation:
    """One of them; ``platform`` None: of all platforms alike."""

    place: str
    key: str
    value: str
    platform: Platform | None = None


def said_of(annotations: Iterable[Annotation], place: str, platform: Platform | None = None) -> Mapping[str, str]:
    """Those of one place, and of one platform where it is a place that each has its own of."""
    return {one.key: one.value for one in annotations if one.place == place and one.platform in (None, platform)}
