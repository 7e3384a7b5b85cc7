"""What is needed stays, what isn't goes, and nothing goes while somebody builds."""

from __future__ import annotations

import json

from minibuild.oci import Digest, History, MediaType, Reference
from minibuild.oci.digest import chain_id
from minibuild.store import Record, Store
from minibuild.store.collect import Collected, collect, needed_chains
from tests.store.conftest import gzipped_layer, stored_image

APP = Reference.parse("app")


def test_an_untagged_image_goes_and_what_another_image_shares_stays(store: Store) -> None:
    gone = stored_image(store, "gone", b"shared", b"own")
    kept = stored_image(store, "kept", b"shared")
    store.images.tag(APP, gone)
    store.images.tag(Reference.parse("kept"), kept)
    store.images.untag(APP)
    collected = collect(store)
    assert collected == Collected(3, len(gone.raw_config) + len(gone.raw_manifest) + len(b"own"))
    assert set(store.blobs) == {kept.digest, kept.id, Digest.of(b"shared")}


def test_a_nameless_result_stays(store: Store) -> None:
    image = stored_image(store, "a", b"tar")
    store.images.keep(image)
    assert collect(store) == Collected()
    assert store.image(image.digest) == image


def test_what_a_cache_record_made_stays(store: Store) -> None:
    image = stored_image(store, "a", b"parent", b"child")
    parent, child = image.layers
    store.records.put(Record("key", layer=child, parent_diff_ids=(parent.diff_id,)))
    collect(store)
    assert set(store.blobs) == {parent.diff_id, child.diff_id}


def test_the_image_of_a_cached_step_stays(store: Store) -> None:
    image = stored_image(store, "step", b"tar")
    store.records.put(Record("key", layer=image.layers[0], image=image.digest))
    assert collect(store) == Collected()
    assert store.image(image.digest) == image


def test_a_record_whose_layer_is_gone_goes_too(store: Store) -> None:
    image = stored_image(store, "a", b"tar")
    store.records.put(Record("key", layer=image.layers[0]))
    store.blobs.remove(image.layers[0].diff_id)
    collect(store)
    assert store.records.all() == ()


def test_the_unpacked_tar_and_the_table_of_a_needed_layer_stay(store: Store) -> None:
    layer = gzipped_layer(store, b"the tar")
    image = stored_image(store, "a").append(layer, stored_image(store, "a").config.config, History(created_by="COPY"))
    store.put_image(image)
    store.images.tag(APP, image)
    store.open_tar(layer).close()
    needed, garbage = (store.root / "indices" / name for name in (layer.diff_id.hex, "0" * 64))
    needed.touch()
    garbage.touch()
    collect(store)
    assert layer.diff_id in store.blobs
    assert needed.exists()
    assert not garbage.exists()


def test_an_index_of_several_platforms_keeps_all_of_them(store: Store) -> None:
    images = [stored_image(store, name, name.encode()) for name in ("amd64", "arm64")]
    raw = json.dumps({"schemaVersion": 2, "manifests": [image.descriptor.encode() for image in images]}).encode()
    entry = {"mediaType": MediaType.INDEX, "digest": store.blobs.add(raw), "size": len(raw)}
    (store.root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    assert collect(store) == Collected()


def test_nothing_goes_while_another_process_has_the_store_open(store: Store) -> None:
    store.blobs.add(b"about to be named")
    with Store.at(store.root):
        assert collect(store) == Collected(postponed=True)
    assert collect(store).blobs == 1


def test_the_chains_of_records_and_images_are_told_to_snapshotters(store: Store) -> None:
    image = stored_image(store, "a", b"one", b"two")
    store.images.tag(APP, image)
    store.records.put(Record("key", chain="c0ffee", parent_diff_ids=(Digest.of(b"base"),)))
    one, two = image.config.diff_ids
    assert needed_chains(store) == {one, chain_id((one, two)), "c0ffee", Digest.of(b"base")}
