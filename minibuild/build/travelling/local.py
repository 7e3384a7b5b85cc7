"""``type=local``: a cache in a directory, which is an OCI image layout: for CI systems that keep directories.

It doesn't grow: what only earlier caches had is thrown away once it is old enough for nobody to be about to name it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from time import time
from typing import Self

from minibuild.build.travelling.document import MEDIA_TYPE
from minibuild.build.travelling.place import Access, configuration
from minibuild.errors import ImageError, UsageError
from minibuild.events import Progress
from minibuild.oci import Descriptor, Digest, Platform
from minibuild.oci.artifact import Artifact
from minibuild.store.layout import INDEX_FILE, LAYOUT_FILE, REF_NAME, read_index
from minibuild.store.locks import locked
from minibuild.transports.base import LayerContents
from minibuild.transports.oci_layout import OciLayout
from minibuild.values import dataclass

_TAG = "latest"
_YOUNG_S = 3600


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
        self._sweep(time() - _YOUNG_S)

    def _sweep(self, before: float) -> None:
        """Throws away blobs from before a time that no cache names; where other things than caches are, nothing."""
        blobs = self.directory / "blobs" / "sha256"
        needed: set[str] = set()
        with locked(self.directory / LAYOUT_FILE):
            for entry in read_index((self.directory / INDEX_FILE).read_bytes(), str(self.directory)):
                try:
                    manifest = json.loads((blobs / Digest.parse(entry["digest"]).hex).read_bytes())
                    if manifest["config"]["mediaType"] != MEDIA_TYPE:
                        return
                    named = [entry, manifest["config"], *manifest["layers"]]
                    needed |= {Descriptor.parse(item).digest.hex for item in named}
                except (OSError, ValueError, KeyError, TypeError, ImageError):
                    return
            for blob in os.scandir(blobs):
                if blob.name not in needed and blob.stat().st_mtime < before:
                    os.unlink(blob)
