"""The cache tells what a step made, and what is missing or damaged is a miss."""

from __future__ import annotations

import pytest

from minibuild.errors import UnavailableError
from minibuild.oci import Digest, Layer
from minibuild.store import Record, Store

PARENT = (Digest.of(b"parent"),)


def record(store: Store, key: str = "sha256:key", **changes: object) -> Record:
    layer = Layer.of_tar(store.blobs.add(b"tar"), 3)
    fields: dict[str, object] = {
        "parts": {"effect": {"command": ["make"]}, "inputs": {"é": "sha256:…"}},
        "layer": layer,
        "chain": "c0ffee",
        "parent_diff_ids": PARENT,
        "created": "2026-01-02T03:04:05Z",
        "result": "sha256:first key",
        "place": "Dockerfile#build/3",
    }
    return Record(key, **{**fields, **changes})  # type: ignore[arg-type]


def test_what_was_put_is_found_again_by_another_process(store: Store) -> None:
    kept = record(store)
    store.records.put(kept)
    with Store.at(store.root) as other:
        assert other.records.find(kept.key, PARENT) == kept


def test_a_record_counts_on_its_own_parent_only(store: Store) -> None:
    kept = record(store)
    store.records.put(kept)
    assert store.records.find(kept.key, ()) is None
    assert store.records.find(kept.key, (*PARENT, Digest.of(b"more"))) is None


def test_a_key_is_known_whatever_its_parent(store: Store) -> None:
    assert not store.records.has("key")
    store.records.put(record(store, key="key"))
    assert store.records.has("key")


def test_a_step_without_a_layer_and_without_a_parent_has_a_record(store: Store) -> None:
    kept = record(store, layer=None, chain="", parent_diff_ids=())
    store.records.put(kept)
    assert store.records.find(kept.key, ()) == kept


def test_a_later_record_takes_the_place_of_an_earlier_one(store: Store) -> None:
    store.records.put(record(store, chain="old"))
    store.records.put(record(store, chain="new"))
    assert [kept.chain for kept in store.records.all()] == ["new"]


def test_the_latest_records_of_a_place_are_told_whatever_their_keys(store: Store) -> None:
    for key in ("a", "b", "c", "a"):
        store.records.put(record(store, key=key))
    assert [kept.key for kept in store.records.latest("Dockerfile#build/3", 2)] == ["a", "c"]
    assert store.records.latest("elsewhere") == ()


def test_an_effect_that_was_done_upon_a_parent_is_told_whatever_it_was_done_to(store: Store) -> None:
    store.records.put(record(store))
    assert store.records.has_effect({"command": ["make"]}, PARENT)
    assert not store.records.has_effect({"command": ["make"]}, ())
    assert not store.records.has_effect({"command": ["make", "all"]}, PARENT)
    assert not store.records.has_effect({}, PARENT)


def test_a_vanished_layer_is_a_miss(store: Store) -> None:
    kept = record(store)
    store.records.put(kept)
    assert kept.layer
    store.blobs.remove(kept.layer.diff_id)
    assert store.records.find(kept.key, PARENT) is None


def test_a_truncated_layer_is_a_miss(store: Store) -> None:
    kept = record(store)
    store.records.put(kept)
    assert kept.layer
    store.blobs.path(kept.layer.diff_id).write_bytes(b"t")
    assert store.records.find(kept.key, PARENT) is None


def test_a_deleted_cache_is_begun_anew(store: Store) -> None:
    store.records.put(record(store))
    store.records.close()
    for file in store.root.glob("cache.sqlite*"):
        file.unlink()
    assert store.records.all() == ()
    store.records.put(record(store))
    assert len(store.records.all()) == 1


@pytest.mark.parametrize("damage", [b"this is no database, however long one looks" * 100, b"\0" * 100])
def test_a_damaged_cache_is_begun_anew(store: Store, damage: bytes) -> None:
    (store.root / "cache.sqlite").write_bytes(damage)
    assert store.records.find("key", ()) is None
    kept = record(store)
    store.records.put(kept)
    assert store.records.find(kept.key, PARENT) == kept


def test_a_cache_damaged_in_its_middle_is_a_miss(store: Store) -> None:
    for number in range(200):
        store.records.put(record(store, key=str(number)))
    store.records.close()
    path = store.root / "cache.sqlite"
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    assert store.records.find("7", PARENT) is None
    store.records.put(record(store, key="7"))
    assert store.records.find("7", PARENT) is not None


def test_a_record_of_another_version_of_minibuild_is_dropped(store: Store) -> None:
    import sqlite3

    store.records.put(record(store))
    store.records.close()
    with sqlite3.connect(store.root / "cache.sqlite") as database:
        database.execute("PRAGMA user_version = 999")
    database.close()
    assert store.records.all() == ()


def test_a_cache_that_cannot_be_opened_is_one_clear_error(store: Store) -> None:
    (store.root / "cache.sqlite").mkdir()
    with pytest.raises(UnavailableError, match=r"cache\.sqlite can't be used") as raised:
        store.records.find("key", ())
    assert "delete it" in raised.value.hint


def test_what_another_store_knows_is_taken_where_nothing_is_known(store: Store) -> None:
    ours, theirs = Record("key", created="ours"), Record("key", created="theirs")
    store.records.put(ours)
    assert store.records.adopt([theirs, Record("other", created="theirs")]) == 1
    assert store.records.find("key", ()) == ours
    assert store.records.find("other", ()) == Record("other", created="theirs")


def test_what_another_store_knows_takes_the_place_of_what_lost_its_layer(store: Store) -> None:
    gone = Layer.of_tar(Digest.of(b"gone"), 4)
    store.records.put(Record("key", layer=gone))
    here = Layer.of_tar(store.blobs.add(b"here"), 4)
    store.records.adopt([Record("key", layer=here)])
    assert store.records.find("key", ()) == Record("key", layer=here)
