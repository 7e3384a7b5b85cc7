"""A store of each test's own, and an image to put into it."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.oci import ContainerConfig, Descriptor, Digest, History, Image, Layer, MediaType, Platform
from minibuild.store import Store

LINUX = Platform("linux", "amd64")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.at(tmp_path / "store") as opened:
        yield opened


def stored_image(store: Store, marker: str, *tars: bytes) -> Image:
    """An image told apart by its marker, on layers of these bytes; documents and layers are in the store."""
    image = Image.scratch(LINUX)
    for tar in tars:
        layer = Layer.of_tar(store.blobs.add(tar), len(tar))
        image = image.append(layer, ContainerConfig(), History(created_by="COPY"))
    image = image.append(None, ContainerConfig(user=marker), History(created_by=f"USER {marker}"))
    store.put_image(image)
    return image


def gzipped_layer(store: Store, tar: bytes) -> Layer:
    """A layer of which the store has the compressed blob only."""
    content = gzip.compress(tar, mtime=0)
    return Layer(Descriptor(MediaType.LAYER_GZIP, store.blobs.add(content), len(content)), Digest.of(tar))
