"""The records of a cache as JSON: what is written is read again, and what nobody wrote is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibuild.build.travelling.document import Cache, TravellingMount, decode, encode, encode_inline
from minibuild.errors import ImageError
from minibuild.oci import Descriptor, Digest, Layer, MediaType
from minibuild.store import Record

KEY = b"0123456789abcdef"
PARTS = {"schema": 2, "parent": "scratch", "effect": {"is": "CopyFiles"}, "inputs": {"files": [["a", "b"]]}}


def layer(name: bytes) -> Layer:
    return Layer(Descriptor(MediaType.LAYER_GZIP, Digest.of(b"gzip " + name), 20), Digest.of(name))


def record(name: bytes, *below: bytes) -> Record:
    return Record(
        key=Digest.of(b"key " + name),
        parts=PARTS,
        layer=layer(name),
        parent_diff_ids=tuple(map(Digest.of, below)),
        created="2026-01-02T03:04:05.678901Z",
        result=Digest.of(b"result " + name),
        place="build 3",
    )


RECORDS = tuple(sorted((record(b"one"), record(b"two", b"one"), record(b"two", b"other")), key=lambda one: one.key))
CACHE = Cache(RECORDS, (TravellingMount("/root/.npm", "c0ffee00" * 8, layer(b"npm")),))


def sent(document: dict[str, Any]) -> Any:
    """A document as it comes out of a registry."""
    return json.loads(json.dumps(document))


def by_key(cache: Cache) -> set[tuple[str, tuple[Digest, ...]]]:
    return {(one.key, one.parent_diff_ids) for one in cache.records}


def test_what_is_written_is_read_again() -> None:
    read = decode(sent(encode(CACHE)))
    assert sorted(read.records, key=repr) == sorted(CACHE.records, key=repr)
    assert read.mounts == CACHE.mounts


def test_it_is_the_same_whatever_the_order_is() -> None:
    assert encode(Cache(RECORDS[::-1], CACHE.mounts), KEY) == encode(CACHE, KEY)


def test_where_trees_are_and_which_image_a_step_had_stays_at_home() -> None:
    local = replace(RECORDS[0], chain="../../snapshot", image="sha256:image")
    assert decode(sent(encode(Cache((local,))))).records == (RECORDS[0],)


def test_an_image_tells_of_its_layers_by_their_content() -> None:
    document = sent(encode_inline(RECORDS, KEY))
    assert document["layers"] == [{"diff_id": one.diff_id} for one in Cache(RECORDS).layers]
    zstd = {one.diff_id: Layer(replace(one.descriptor, size=99), one.diff_id) for one in Cache(RECORDS).layers}
    read = decode(document, KEY, zstd)
    assert read.layers == tuple(zstd[diff_id] for diff_id in sorted(zstd))
    assert {one.parts["inputs"] == {} for one in read.records} == {True}


def test_an_image_cannot_tell_of_layers_that_it_lacks() -> None:
    with pytest.raises(ImageError, match="is none of its image's"):
        decode(sent(encode_inline(RECORDS)), known={})


def test_many_inputs_are_left_out() -> None:
    many = replace(RECORDS[0], parts={**PARTS, "inputs": {"files": [["a", "b" * 70_000]]}})
    assert decode(sent(encode(Cache((many,))))).records[0].parts == {**PARTS, "inputs": {}}


def test_names_that_are_not_utf_8_do_not_break_a_signature() -> None:
    strange = replace(RECORDS[0], parts={**PARTS, "inputs": {"files": [["\udc80"]]}})
    assert by_key(decode(sent(encode(Cache((strange,)), KEY)), KEY)) == {(strange.key, strange.parent_diff_ids)}


def test_who_has_a_key_refuses_what_is_not_signed() -> None:
    with pytest.raises(ImageError, match="it isn't signed"):
        decode(sent(encode(CACHE)), KEY)


def _other_layer(document: Any) -> None:
    document["layers"][0]["digest"] = Digest.of(b"evil")


def _other_step(document: Any) -> None:
    document["records"][0]["key"] = Digest.of(b"evil")


def _other_mount(document: Any) -> None:
    document["mounts"][0]["name"] = "0" * 64


@pytest.mark.parametrize("change", [_other_layer, _other_step, _other_mount])
def test_what_was_changed_after_it_was_signed_is_refused(change: Callable[[Any], None]) -> None:
    document = sent(encode(CACHE, KEY))
    assert by_key(decode(document, KEY)) == by_key(CACHE)
    change(document)
    with pytest.raises(ImageError, match="signed by another key, or was changed"):
        decode(document, KEY)


def test_who_has_no_key_takes_what_is_signed() -> None:
    assert by_key(decode(sent(encode(CACHE, KEY)))) == by_key(CACHE)


def _set(path: str, value: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        *way, last = path.split(".")
        for name in way:
            document = document[int(name) if name.isdigit() else name]
        document[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("schema", 2), "of the schema 2, wanted 1"),
        (_set("records", {}), None),
        (_set("records", "all"), "its records are no list of objects"),
        (_set("records", [1]), "its records are no list of objects"),
        (_set("records", [{}] * 20_001), "it has 20001 records, at most 20000 are read"),
        (_set("records.0.key", "../../etc"), "is no digest"),
        (_set("records.0.layer", Digest.of(b"unknown")), "KeyError"),
        (_set("records.0.parent", ["sha256:1"]), "is no digest"),
        (_set("records.0.parent", [Digest.of(b"a")] * 1001), "on more than 1000"),
        (_set("records.0.result", "key"), "is no digest"),
        (_set("records.0.created", "yesterday"), "'yesterday' is no time"),
        (_set("records.0.place", 7), "a place is no text"),
        (_set("layers.0.mediaType", "application/json"), "'application/json' is no layer's media type"),
        (_set("layers.0.size", -1), "has the size -1"),
        (_set("layers.0.diff_id", "sha512:1"), "is no digest"),
        (_set("mounts.0.name", "../mounts"), "is no name of a cache mount"),
    ],
)
def test_what_cannot_be_is_refused(change: Callable[[Any], None], said: str | None) -> None:
    document = sent(encode(CACHE))
    change(document)
    if said is None:
        assert decode(document).records == ()
        return
    with pytest.raises(ImageError, match=said):
        decode(document)


@pytest.mark.parametrize("parts", [{"effect": []}, {**PARTS, "effect": "RUN"}, {**PARTS, "more": 1}, [], None])
def test_parts_of_another_shape_are_left_out(parts: object) -> None:
    document = sent(encode(Cache(RECORDS[:1])))
    document["records"][0]["parts"] = parts
    assert decode(document).records == (replace(RECORDS[0], parts={}),)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(Digest.of(b"one")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    *("schema", "layers", "records", "mounts", "signature", "layers.0", "records.0", "mounts.0"),
    *(f"records.0.{name}" for name in ("key", "parent", "layer", "created", "result", "place", "parts")),
    *(f"layers.0.{name}" for name in ("diff_id", "digest", "mediaType", "size", "annotations", "platform")),
    *(f"mounts.0.{name}" for name in ("id", "name", "layer")),
]


@given(st.sampled_from(PLACES), ANY, st.sampled_from([b"", KEY]))
def test_whatever_stands_there_is_read_or_refused(path: str, value: object, key: bytes) -> None:
    document = sent(encode(CACHE))
    *way, last = path.split(".")
    inner = document
    for name in way:
        inner = inner[int(name) if name.isdigit() else name]
    inner[int(last) if last.isdigit() else last] = value
    try:
        read = decode(document, key)
    except ImageError:
        return
    assert all(isinstance(one.key, Digest) and one.layer in read.layers for one in read.records)


@given(ANY)
def test_whatever_a_document_is_it_is_read_or_refused(document: object) -> None:
    try:
        decode(document)
    except ImageError as error:
        assert error.message
