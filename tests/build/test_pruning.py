"""Pruning: what can be made again goes, what was of use longest ago first; what has a name stays."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.build.pruning import KINDS, Pruned, items, prune, size_of, usage
from minibuild.oci import Reference
from minibuild.store import Record, Store
from tests.store.conftest import stored_image

MIB = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.at(tmp_path / "store") as opened:
        yield opened


def cached(store: Store, key: str, size: int, used: int) -> Record:
    """A cached step with a layer of so many bytes, last of use then."""
    [layer] = stored_image(store, key, os.urandom(size)).layers
    record = Record(key, layer=layer)
    store.records.put(record)
    store.records._run(lambda db: db.execute("UPDATE records SET used = ? WHERE key = ?", (used, key)).fetchall())
    return record


def keys(store: Store) -> list[str]:
    return [record.key for _, record in store.records.used()]


def test_what_has_a_name_stays(store: Store) -> None:
    named, nameless = stored_image(store, "named", b"a" * 9000), stored_image(store, "nameless", b"b" * 9000)
    store.images.tag(Reference.parse("app"), named)
    store.images.keep(nameless)
    pruned = prune(store)
    assert (pruned.items, pruned.size > 9000) == (1, True)
    assert store.image(named.digest) == named
    assert set(store.blobs) == {named.digest, named.id, named.layers[0].diff_id}


def test_steps_go_with_their_layers(store: Store) -> None:
    cached(store, "a", MIB, used=1)
    assert prune(store).size >= MIB
    assert (keys(store), list(store.blobs)) == ([], [])


def test_only_what_was_of_no_use_for_so_long_goes(store: Store) -> None:
    for key, used in (("old", 100), ("new", 200)):
        cached(store, key, 10, used)
    prune(store, unused_since=150)
    assert keys(store) == ["new"]


def test_what_was_of_use_longest_ago_goes_first_and_only_as_much_as_needed(store: Store) -> None:
    for number in range(40):
        cached(store, f"{number:02}", 64 << 10, used=100 - number)
    prune(store, keep=2 * MIB)
    assert size_of(store) <= 2 * MIB
    left = keys(store)
    assert left == [f"{number:02}" for number in range(len(left) - 1, -1, -1)]
    assert 10 < len(left) < 40


def test_a_step_that_a_build_found_is_of_use_again(store: Store) -> None:
    record = cached(store, "a", 10, used=1)
    cached(store, "b", 10, used=2)
    assert store.records.find("a", record.parent_diff_ids)
    store.records.mark_used()
    assert keys(store) == ["b", "a"]


def test_cache_mounts_and_downloads_go_if_they_are_meant(store: Store) -> None:
    (store.root / "mounts/one/0/deep").mkdir(parents=True)
    (store.root / "downloads").mkdir()
    digest = store.blobs.add(b"file")
    (store.root / "downloads" / "x.json").write_text(f'{{"digest": "{digest}"}}')
    assert {item.kind for item in items(store)} == {"mounts", "downloads"}
    prune(store, kinds=frozenset({"steps"}))
    assert digest in store.blobs
    assert prune(store).items == 2
    assert (digest in store.blobs, (store.root / "mounts/one").exists()) == (False, False)


def test_nothing_goes_while_somebody_builds(store: Store) -> None:
    cached(store, "a", 10, used=1)
    with Store.at(store.root):
        assert prune(store) == Pruned(postponed=True)
    assert keys(store) == ["a"]


def test_usage_counts_each_blob_once(store: Store) -> None:
    image = stored_image(store, "named", b"a" * 9000)
    store.images.tag(Reference.parse("app:1"), image)
    store.images.tag(Reference.parse("app:2"), image)
    cached(store, "a", 5000, used=1)
    found = {one.kind: (one.count, one.size, one.reclaimable) for one in usage(store)}
    assert found["named images"] == (1, 9000, 0)
    assert found["cached steps"][0] == 1
    assert 5000 <= found["cached steps"][1] == found["cached steps"][2] < 9000


def test_every_kind_can_be_named() -> None:
    assert KINDS == ("steps", "results", "mounts", "downloads")
