"""A store to read: what is there is found, and nothing is touched."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from minibuild.errors import ImageError
from minibuild.oci import Reference
from minibuild.store import Record, Store
from minibuild.store.reading import StoreToRead
from tests.store.conftest import gzipped_layer, stored_image

NAME = Reference.parse("app:1")


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("f"))
    return stream.getvalue()


TAR = _tar()


def files_of(root: Path) -> dict[str, bytes]:
    """Every file below a directory, and what is in it."""
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_what_is_there_is_found_and_no_file_changes(store: Store) -> None:
    image = stored_image(store, "app", TAR)
    store.images.tag(NAME, image)
    store.records.put(Record("key", layer=image.layers[0]))
    store.records.close()
    before = files_of(store.root)
    with StoreToRead.at(store.root) as reader:
        assert reader.images.find(NAME) == image
        assert reader.records.has("key")
        assert reader.index(image.layers[0]).entries
    assert files_of(store.root) == before


def test_what_another_process_is_writing_is_seen(store: Store) -> None:
    store.records.put(Record("key"))
    with StoreToRead.at(store.root) as reader:
        assert reader.records.has("key")
        store.records.put(Record("later"))
        assert reader.records.has("later")


def test_no_store_is_an_empty_one_and_stays_none(tmp_path: Path) -> None:
    with StoreToRead.at(tmp_path / "none") as reader:
        assert reader.images.find(NAME) is None
        assert reader.records.find("key", ()) is None
        assert reader.records.latest("place") == ()
    assert not (tmp_path / "none").exists()


def test_a_cache_that_is_none_is_empty_and_left_alone(store: Store) -> None:
    path = store.root / "cache.sqlite"
    path.write_bytes(b"nothing of the kind" * 100)
    with StoreToRead.at(store.root) as reader:
        assert not reader.records.has("key")
    assert path.read_bytes() == b"nothing of the kind" * 100


def test_a_damaged_blob_is_refused_and_left_alone(store: Store) -> None:
    image = stored_image(store, "app", TAR)
    path = store.blobs.path(image.layers[0].diff_id)
    path.chmod(0o600)
    path.write_bytes(b"\0" * path.stat().st_size)
    with StoreToRead.at(store.root) as reader, pytest.raises(ImageError):
        reader.open(image.layers[0].descriptor).read()
    assert path.exists()


def test_a_compressed_layer_is_unpacked_for_the_reader_alone(store: Store) -> None:
    layer = gzipped_layer(store, TAR)
    with StoreToRead.at(store.root) as reader, reader.open_tar(layer) as stream:
        assert stream.read() == TAR
        assert layer.diff_id not in store.blobs
