"""``type=local``: a cache in a directory, which is an OCI image layout: for CI systems that keep directories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from minibuild.build.travelling.place import Access, configuration
from minibuild.errors import UsageError
from minibuild.events import Progress
from minibuild.oci import Platform
from minibuild.oci.artifact import Artifact
from minibuild.store.layout import REF_NAME
from minibuild.transports.base import LayerContents
from minibuild.transports.oci_layout import OciLayout

_TAG = "latest"


@dataclass(frozen=True, slots=True)
class LocalCache:
    """A cache by its directory, which may hold several by their tags."""

    directory: Path
    tag: str
    platform: Platform

    @classmethod
    def of(cls, attributes: Mapping[str, str], access: Access) -> Self:
        """The cache of a ``src`` or ``dest``, and a ``tag``."""
        words = attributes.get("src") or attributes["dest"]
        return cls(Path(words).absolute(), attributes.get("tag") or _TAG, access.platform)

    @property
    def name(self) -> str:
        return str(self.directory) + ("" if self.tag == _TAG else f":{self.tag}")

    @property
    def home(self) -> str:
        return f"oci-layout:{self.directory}"

    def read(self) -> tuple[bytes, bytes]:
        layout = OciLayout(self.directory, self.tag)
        manifest = layout.manifest(self.platform)
        with layout.open(configuration(manifest)) as stream:
            return manifest, stream.read()

    def write(self, cache: Artifact, contents: LayerContents, progress: Progress) -> None:
        if self.directory.exists() and not self.directory.is_dir():
            raise UsageError(f"{self.directory} is a file, wanted a directory for the cache")
        entry = {**cache.descriptor.encode(), "annotations": {REF_NAME: self.tag}}
        OciLayout(self.directory).put(cache, [entry], contents, progress)
