"""Layers → a mounted tree, when a RUN needs one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.build.committing import ChainedLayer
from minibuild.oci import Digest, Image
from minibuild.oci.digest import chain_id
from minibuild.store import Store
from minibuild.values import dataclass

if TYPE_CHECKING:
    # A fully cached build mounts nothing, and must not pay for what could.
    from minibuild.snapshots.base import Snapshotter, Workspace


def chained(image: Image) -> tuple[ChainedLayer, ...]:
    """An image's layers, each with the ChainID of the tree up to it."""
    chain: Digest | None = None
    layers = []
    for layer in image.layers:
        chain = chain_id((layer.diff_id,), onto=chain)
        layers.append(ChainedLayer.of(str(chain), layer))
    return tuple(layers)


@dataclass(frozen=True, slots=True)
class RootFilesystems:
    """Makes trees out of chained layers; those that have no snapshot yet are unpacked first, oldest first."""

    store: Store
    snapshotter: Snapshotter

    def workspace(self, layers: Sequence[ChainedLayer]) -> AbstractContextManager[Workspace]:
        """A writable tree of these layers, oldest first."""
        return self.snapshotter.workspace(self._chain(layers))

    def view(self, layers: Sequence[ChainedLayer]) -> AbstractContextManager[Path]:
        """A tree of these layers, oldest first, to be read only."""
        return self.snapshotter.view(self._chain(layers))

    def _chain(self, layers: Sequence[ChainedLayer]) -> str | None:
        missing = []
        for layer in reversed(layers):
            if layer.chain in self.snapshotter:
                break
            missing.append(layer)
        parent = layers[-len(missing) - 1].chain if len(missing) < len(layers) else None
        self.store.fetch(layer.layer().descriptor for layer in missing)
        for layer in reversed(missing):
            with self.store.reading_tar(layer.layer()) as tar:
                index = self.snapshotter.import_layer(layer.chain, parent, tar)
            if index is not None:
                self.store.put_index(layer.layer().diff_id, index)
            parent = layer.chain
        return parent
