"""``type=registry``: a cache under a name in a registry; an image's own (``inline``) is read there too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from minibuild.build.supplying import REGISTRY
from minibuild.build.travelling.place import Access, configuration
from minibuild.errors import UsageError
from minibuild.events import Progress
from minibuild.oci import Reference
from minibuild.oci.artifact import Artifact
from minibuild.transports.base import LayerContents
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class RegistryCache:
    """A cache by its name."""

    reference: Reference
    access: Access

    @classmethod
    def of(cls, attributes: Mapping[str, str], access: Access) -> Self:
        """The cache of a ``ref``."""
        return cls(Reference.parse(attributes["ref"]), access)

    @property
    def name(self) -> str:
        return self.reference.familiar()

    @property
    def home(self) -> str:
        return f"{REGISTRY}{self.reference.name}"

    def read(self) -> tuple[bytes, bytes]:
        from minibuild.registry.endpoints import parse_mirrors
        from minibuild.transports.registry import Registry

        access = self.access
        with (
            Registry(parse_mirrors(access.mirrors), access.environment) as registry,
            access.cancellation.telling(registry.cancel),
        ):
            manifest = registry.manifest(self.reference, access.platform)
            with registry.blob(self.reference, configuration(manifest)) as blob:
                return manifest, blob.read()

    def write(self, cache: Artifact, contents: LayerContents, progress: Progress) -> None:
        from minibuild.transports.pushing import Pushing

        if self.reference.is_pinned:
            raise UsageError(f"{self.name} has a digest, which only the bytes can give", hint="name a tag")
        Pushing(self.access.environment, self.access.pushed).export(cache, [self.reference], contents, progress)
