"""Layers in other forms: made once, kept beside the tar, thrown away with it."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from minibuild.layers.compressing import Compression
from minibuild.oci import Digest, MediaType, Reference
from minibuild.store import Store
from minibuild.store.collect import collect
from tests.store.conftest import gzipped_layer, stored_image

TAR = b"the tar" * 1000


def test_a_layer_is_compressed_once(store: Store) -> None:
    [layer] = stored_image(store, "a", TAR).layers
    twin = store.compressed(layer, Compression())
    assert (twin.diff_id, twin.descriptor.media_type) == (layer.diff_id, MediaType.LAYER_GZIP)
    assert gzip.decompress(store.blobs.read(twin.descriptor)) == TAR
    store.blobs.remove(layer.diff_id)
    assert store.compressed(layer, Compression()) == twin


def test_each_level_has_a_twin_of_its_own(store: Store) -> None:
    [layer] = stored_image(store, "a", TAR).layers
    made = {store.compressed(layer, Compression("gzip", level)).descriptor.digest for level in (0, 1, 9)}
    assert len(made) == 3


@pytest.mark.parametrize("form", ["gzip", "zstd", "uncompressed"])
def test_a_compressed_layer_stays_as_it_is(store: Store, form: str) -> None:
    layer = gzipped_layer(store, TAR)
    assert store.compressed(layer, Compression(form)) == layer


def test_a_compressed_layer_is_changed_by_force(store: Store) -> None:
    layer = gzipped_layer(store, TAR)
    assert store.compressed(layer, Compression("zstd"), force=True).descriptor.media_type == MediaType.LAYER_ZSTD
    plain = store.compressed(layer, Compression("uncompressed"), force=True)
    assert (plain.descriptor.digest, plain.descriptor.size) == (Digest.of(TAR), len(TAR))


def test_a_damaged_tar_makes_no_twin(store: Store) -> None:
    [layer] = stored_image(store, "a", TAR).layers
    store.blobs.path(layer.diff_id).write_bytes(TAR[:-1] + b"!")
    with pytest.raises(Exception, match="holds bytes of digest"):
        store.compressed(layer, Compression())
    assert not (store.root / "twins").exists()


def test_a_twin_goes_with_its_layer(store: Store) -> None:
    kept, gone = stored_image(store, "kept", TAR), stored_image(store, "gone", TAR * 2)
    store.images.tag(Reference.parse("kept"), kept)
    twins = [store.compressed(image.layers[0], Compression()) for image in (kept, gone)]
    collect(store)
    assert [store.blobs.has(twin.descriptor) for twin in twins] == [True, False]
    assert len(list((store.root / "twins").iterdir())) == 1


def test_a_twin_whose_blob_is_gone_is_made_again(store: Store) -> None:
    [layer] = stored_image(store, "a", TAR).layers
    twin = store.compressed(layer, Compression())
    store.blobs.remove(twin.descriptor.digest)
    assert store.compressed(layer, Compression()) == twin
    assert store.blobs.has(replace(twin.descriptor))
