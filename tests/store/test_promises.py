"""Promises: what isn't here is fetched when it is wanted, once, and counts as being here until then."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from minibuild.errors import ImageError, RegistryError
from minibuild.oci import Descriptor, Digest, Layer, MediaType, Reference
from minibuild.store import Record, Store
from minibuild.store.collect import collect
from minibuild.store.promises import LostLayers, Promise
from tests.store.conftest import stored_image

CONTENT = b"the blob"
BLOB = Descriptor(MediaType.LAYER, Digest.of(CONTENT), len(CONTENT))
PLACE = "docker://registry.test/base"


class Supplier:
    """Has the content of all blobs; remembers what it was asked for."""

    def __init__(self, store: Store, content: bytes = CONTENT) -> None:
        self.store, self.content = store, content
        self.asked: list[Promise] = []

    def __call__(self, promises: Sequence[Promise]) -> None:
        self.asked += promises
        self.store.blobs.add(self.content)


def test_a_promised_blob_is_fetched_when_it_is_opened(store: Store) -> None:
    store.promises.add([BLOB], PLACE)
    store.supplier = supplier = Supplier(store)
    assert (store.blobs.has(BLOB), store.holds(BLOB)) == (False, True)
    for _ in range(2):
        with store.open(BLOB) as stream:
            assert stream.read() == CONTENT
    assert supplier.asked == [Promise(BLOB, PLACE)]
    assert store.promises.find(BLOB.digest) is None


def test_what_is_here_is_not_promised(store: Store) -> None:
    store.blobs.add(CONTENT)
    store.promises.add([BLOB], PLACE)
    assert list(store.promises.all()) == []


def test_who_may_not_fetch_is_told_where_the_blob_is(store: Store) -> None:
    store.promises.add([BLOB], PLACE)
    with pytest.raises(ImageError, match=f"isn't in the store, but in {PLACE}"):
        store.open(BLOB)


def test_a_blob_that_nobody_promised_is_missing_as_ever(store: Store) -> None:
    store.supplier = Supplier(store)
    with pytest.raises(ImageError, match="isn't in the store"):
        store.open(BLOB)


def test_the_table_of_a_promised_layer_can_be_read(store: Store) -> None:
    tar = bytes(1024)  # an archive of nothing
    layer = Layer.of_tar(Digest.of(tar), len(tar))
    store.promises.add([layer.descriptor], PLACE)
    store.supplier = Supplier(store, tar)
    assert not store.has_index(layer)
    assert store.index(layer).entries == ()
    assert store.has_index(layer)


def test_a_step_whose_layer_is_promised_is_cached(store: Store) -> None:
    layer = Layer(BLOB, BLOB.digest)
    store.records.put(Record("key", layer=layer))
    assert store.records.find("key", ()) is None
    store.promises.add([BLOB], PLACE)
    assert store.records.find("key", ()) == Record("key", layer=layer)


def test_promises_go_with_the_last_that_wants_them(store: Store) -> None:
    wanted = stored_image(store, "kept", CONTENT)
    store.images.tag(Reference.parse("kept"), wanted)
    store.blobs.remove(BLOB.digest)
    other = Descriptor(MediaType.LAYER, Digest.of(b"other"), 5)
    store.promises.add([BLOB, other], PLACE)
    collect(store)
    assert list(store.promises.all()) == [Promise(BLOB, PLACE)]


def test_a_promise_tells_a_repository_that_has_the_blob(store: Store) -> None:
    store.promises.add([BLOB], PLACE)
    assert store.homes("registry.test") == {BLOB.digest: ["base"]}
    assert store.homes("registry.tes") == {}


def test_a_damaged_promise_is_none(store: Store) -> None:
    store.promises.add([BLOB], PLACE)
    (store.root / "promises" / BLOB.digest.hex).write_text("{")
    assert store.promises.find(BLOB.digest) is None


def losing(reason: ImageError, *digests: Digest) -> Callable[[Sequence[Promise]], None]:
    """A supplier that has nothing."""

    def supply(_promises: Sequence[Promise]) -> None:
        raise LostLayers(reason, frozenset(digests))

    return supply


def test_a_step_whose_layer_cannot_be_had_is_done_no_more(store: Store) -> None:
    store.records.put(Record("key", layer=Layer(BLOB, BLOB.digest)))
    store.promises.add([BLOB], PLACE)
    store.supplier = losing(ImageError("it is gone"), BLOB.digest)
    with pytest.raises(LostLayers, match="it is gone"):
        store.open(BLOB)
    assert store.records.all() == ()


def test_what_no_step_made_fails_as_its_place_did(store: Store) -> None:
    store.promises.add([BLOB], PLACE)
    store.supplier = losing(RegistryError("it is gone"), BLOB.digest)
    with pytest.raises(RegistryError, match="it is gone"):
        store.open(BLOB)


@pytest.mark.parametrize("content", [gzip.compress(b"other", mtime=0), b"no gzip at all"])
def test_a_step_whose_layer_unpacks_to_something_else_is_done_no_more(store: Store, content: bytes) -> None:
    blob = Descriptor(MediaType.LAYER_GZIP, store.blobs.add(content), len(content))
    layer = Layer(blob, Digest.of(b"said"))
    store.records.put(Record("key", layer=layer))
    with pytest.raises(LostLayers), store.reading_tar(layer) as tar:
        tar.read()
    assert store.records.all() == ()


def test_a_promise_whose_keeper_was_killed_is_forgotten_by_the_next(tmp_path: Path) -> None:
    with Store.at(tmp_path / "store") as store:
        store.promises.add([BLOB], PLACE)
        store.blobs.add(CONTENT)
    with Store.at(tmp_path / "store") as store:
        assert list(store.promises.all()) == []
