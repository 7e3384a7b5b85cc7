"""What a place of caches is, and what it takes to get there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, Self

from minibuild.errors import ImageError
from minibuild.events import Progress
from minibuild.oci import Descriptor, Platform, Reference
from minibuild.oci.artifact import Artifact
from minibuild.oci.image import parse_manifest
from minibuild.runtimes.base import Cancellation
from minibuild.transports.base import LayerContents
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from minibuild.build.request import BuildRequest

LARGEST_DOCUMENT = 64 << 20
"""Bytes that the records of a cache may take."""


@dataclass(frozen=True, slots=True)
class Access:
    """What opens places: the caller's environment, ``registry=URL`` words, whose image an index stands for; ``pushed``
    are names under which registries have just got the same layers.
    """

    environment: Mapping[str, str]
    mirrors: Sequence[str] = ()
    platform: Platform = field(default_factory=Platform.of_this_machine)
    cancellation: Cancellation = field(default_factory=Cancellation)
    pushed: Sequence[Reference] = ()

    @classmethod
    def of(cls, request: BuildRequest, pushed: Sequence[Reference] = ()) -> Self:
        """What a build has."""
        return cls(request.environment, request.mirrors, request.platform, pushed=pushed)


class Place(Protocol):
    """Where a cache is, or is to be."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def home(self) -> str:
        """Where its blobs are, as promises say it."""

    def read(self) -> tuple[bytes, bytes]:
        """A manifest and its configuration, verified, and nothing else; raises ImageError where there is none."""

    def write(self, cache: Artifact, contents: LayerContents, progress: Progress) -> None:
        """Puts a cache there, in the place of an earlier one: first what it names, then itself."""


def configuration(manifest: bytes) -> Descriptor:
    """What a manifest's configuration is; raises ImageError where it has none, or one too large to be read."""
    descriptor = Descriptor.parse(parse_manifest(manifest).get("config") or {})
    if descriptor.size > LARGEST_DOCUMENT:
        found = f"its configuration {descriptor.digest} has {descriptor.size} bytes"
        raise ImageError(f"{found}, more than the {LARGEST_DOCUMENT} that are read")
    return descriptor
