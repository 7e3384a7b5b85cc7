"""Layers are compared entry by entry, and files byte by byte where somebody asks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from minibuild.comparing import Comparison, Difference, LayerDifference, Side
from minibuild.layers import tar
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.oci import ContainerConfig, Digest, Image, Layer, Platform
from minibuild.oci.config import History
from minibuild.store import Store

FILE = Entry("etc/conf", Kind.FILE, mode=0o644, size=3, mtime=5)
ETC = Entry("etc", Kind.DIRECTORY, mode=0o755)


def file(text: str, **fields: object) -> Change:
    entry = replace_entry(FILE, size=len(text), **fields)
    return entry, lambda: io.BytesIO(text.encode())


def replace_entry(entry: Entry, **fields: object) -> Entry:
    return entry._replace(**fields)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.at(tmp_path / "store") as store:
        yield store


def image(*layers: Layer) -> Image:
    made = Image.scratch(Platform("linux", "amd64"))
    for number, layer in enumerate(layers, 1):
        made = made.append(layer, ContainerConfig(), History(created_by=f"step {number}"))
    return made


def compared(store: Store, left: Image, right: Image) -> Comparison:
    return Comparison(Side("a", left, store), Side("b", right, store))


def of_one_layer(store: Store, left: list[Change], right: list[Change]) -> LayerDifference:
    comparison = compared(store, image(store.add_layer(left)), image(store.add_layer(right)))
    (found,) = comparison.layers()
    return found


EACH_FIELD = {
    "owner": ({"uid": 7}, ("uid", 0, 7)),
    "group": ({"gid": 7}, ("gid", 0, 7)),
    "mode": ({"mode": 0o4755}, ("mode", "0644", "4755")),
    "time": ({"mtime": 6}, ("mtime", 5, 6)),
    "attribute": ({"xattrs": {"user.a": b"\1"}}, ("xattr user.a", None, "01")),
}


@pytest.mark.parametrize("case", EACH_FIELD)
def test_a_field_of_an_entry_is_told_with_its_path(store: Store, case: str) -> None:
    fields, expected = EACH_FIELD[case]
    found = of_one_layer(store, [file("one")], [file("one", **fields)])
    assert found.differences == (Difference("etc/conf", *expected),)


def test_contents_are_told_by_their_digests_and_their_first_byte(store: Store) -> None:
    comparison = compared(
        store, image(store.add_layer([file("ones")])), image(store.add_layer([file("only", mtime=9)]))
    )
    (layer,) = comparison.layers()
    content = Difference("etc/conf", "content", Digest.of(b"ones"), Digest.of(b"only"))
    assert layer.differences == (content, Difference("etc/conf", "mtime", 5, 9))
    assert (comparison.first_byte(layer, content), comparison.first_byte(layer, layer.differences[1])) == (2, None)


def test_a_shorter_content_differs_where_it_ends(store: Store) -> None:
    comparison = compared(store, image(store.add_layer([file("one")])), image(store.add_layer([file("onetwo")])))
    (layer,) = comparison.layers()
    assert comparison.first_byte(layer, layer.first) == 3
    assert [one.field for one in layer.differences] == ["content", "size"]


def test_another_kind_says_it_all(store: Store) -> None:
    link = Entry("etc/conf", Kind.SYMLINK, mode=0o777, link="elsewhere")
    found = of_one_layer(store, [file("one")], [(link, None)])
    assert found.differences == (Difference("etc/conf", "kind", "file", "symlink"),)


def test_what_one_layer_alone_has_is_told_and_deletions_are_no_files(store: Store) -> None:
    found = of_one_layer(
        store, [(Entry("etc/conf", Kind.WHITEOUT), None), (ETC, None)], [file("one"), (ETC, None)][::-1]
    )
    assert found.differences == (
        Difference("etc/conf", "presence", None, "file"),
        Difference("etc/conf", "presence", "whiteout", None),
    )
    assert found.entries == 3


def test_hard_links_differ_by_what_they_lead_to_not_by_what_their_file_is(store: Store) -> None:
    link = Entry("etc/other", Kind.HARDLINK, link="etc/conf")
    found = of_one_layer(store, [file("one"), (link, None)], [file("two"), (link, None)])
    assert {one.subject for one in found.differences} == {"etc/conf"}


def test_the_first_that_matters_is_no_time(store: Store) -> None:
    one, other = (ETC, None), (replace_entry(ETC, mtime=1), None)
    found = of_one_layer(store, [one, file("one")], [other, file("two")])
    assert (found.differences[0].field, found.first.field) == ("mtime", "content")


def test_the_same_entries_in_another_order_are_called_so(store: Store) -> None:
    found = of_one_layer(
        store, [file("one", path="a"), file("one", path="b")], [file("one", path="b"), file("one", path="a")]
    )
    assert found.differences == (Difference("", "order", "a", "b"),)


def test_a_tar_written_otherwise_is_called_so_with_its_first_byte(store: Store) -> None:
    plain = b"".join((tar.encode(ETC), tar.END))
    padded = plain + bytes(512)
    layers = []
    for raw in (plain, padded):
        blob = store.blobs.add(raw)
        layers.append(Layer.of_tar(Digest.of(raw), len(raw)))
        assert blob
    comparison = compared(store, image(layers[0]), image(layers[1]))
    (layer,) = comparison.layers()
    assert layer.differences == (Difference("", "encoding", None, None),)
    assert comparison.first_byte(layer, layer.first) == len(plain)


def test_a_layer_more_does_not_shift_those_after_it(store: Store) -> None:
    one, two, three = (store.add_layer([file("x", path=name)]) for name in "123")
    (found,) = compared(store, image(one, three), image(one, two, three)).layers()
    assert (found.numbers, found.made_by) == ((0, 2), "step 2")
    assert found.differences == (Difference("", "presence", None, two.diff_id),)


def test_equal_layers_are_never_opened(store: Store) -> None:
    absent = Layer.of_tar(Digest.of(b"not in the store"), 16)
    left, right = image(absent), image(absent)
    changed = replace(right.config, config=replace(right.config.config, user="nobody"))
    comparison = compared(store, left, Image.compose(changed, right.layers))
    assert (list(comparison.layers()), comparison.configuration) == (
        [],
        (Difference("", "config.User", None, "nobody"),),
    )


def test_it_is_the_same_image_however_its_blobs_are_compressed(store: Store) -> None:
    from minibuild.layers.compressing import Compression

    plain = image(store.add_layer([file("one")]))
    packed = cast(Image, store.repacked(plain, Compression("gzip")))
    assert packed.digest != plain.digest
    assert compared(store, plain, packed).is_equal
