"""Blobs are whole or not there, and lies are found."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.errors import ImageError, IntegrityError, UnavailableError
from minibuild.oci import Descriptor, Digest
from minibuild.store import Store
from tests.machine import require

CONTENT = b"some bytes" * 50_000
DESCRIPTOR = Descriptor("text/plain", Digest.of(CONTENT), len(CONTENT))


def leftovers(store: Store) -> list[str]:
    return os.listdir(store.root / "tmp")


def test_what_is_written_in_pieces_is_read_back_whole(store: Store) -> None:
    with store.blobs.writer() as writer:
        for start in range(0, len(CONTENT), 777):
            writer.write(CONTENT[start : start + 777])
        assert writer.commit(DESCRIPTOR) == (DESCRIPTOR.digest, DESCRIPTOR.size)
    with store.blobs.open(DESCRIPTOR) as stream:
        assert stream.read() == CONTENT
    assert leftovers(store) == []


def test_a_writer_that_is_left_without_commit_leaves_nothing(store: Store) -> None:
    with store.blobs.writer() as writer:
        writer.write(CONTENT)
    assert DESCRIPTOR.digest not in store.blobs
    assert leftovers(store) == []


def test_a_writer_refuses_other_bytes_than_were_promised(store: Store) -> None:
    with store.blobs.writer() as writer:
        writer.write(b"other bytes")
        with pytest.raises(IntegrityError) as raised:
            writer.commit(DESCRIPTOR)
    assert DESCRIPTOR.digest in raised.value.message
    assert Digest.of(b"other bytes") in raised.value.message
    assert list(store.blobs) == []


def test_adding_bytes_twice_keeps_one_blob(store: Store) -> None:
    assert store.blobs.add(CONTENT) == store.blobs.add(CONTENT) == DESCRIPTOR.digest
    assert list(store.blobs) == [DESCRIPTOR.digest]


def test_a_damaged_blob_is_found_when_it_is_read_to_the_end_and_removed(store: Store) -> None:
    store.blobs.add(CONTENT)
    store.blobs.path(DESCRIPTOR.digest).write_bytes(b"X" + CONTENT[1:])
    assert store.blobs.has(DESCRIPTOR)
    with store.blobs.open(DESCRIPTOR) as stream, pytest.raises(IntegrityError, match="holds bytes of digest sha256:"):
        while stream.read(4096):
            pass
    assert not store.blobs.has(DESCRIPTOR)


def test_a_truncated_blob_counts_as_missing_and_is_not_opened(store: Store) -> None:
    store.blobs.add(CONTENT)
    os.truncate(store.blobs.path(DESCRIPTOR.digest), 10)
    assert not store.blobs.has(DESCRIPTOR)
    with pytest.raises(IntegrityError, match=f"has 10 bytes, its descriptor says {len(CONTENT)}"):
        store.blobs.open(DESCRIPTOR)
    assert store.blobs.add(CONTENT) == DESCRIPTOR.digest
    assert store.blobs.has(DESCRIPTOR)


def test_a_blob_emptied_by_a_power_cut_is_found_at_once(store: Store) -> None:
    store.blobs.add(CONTENT)
    os.truncate(store.blobs.path(DESCRIPTOR.digest), 0)
    with pytest.raises(IntegrityError):
        store.blobs.open_digest(DESCRIPTOR.digest)


def test_the_last_bytes_of_a_damaged_blob_are_never_handed_out(store: Store) -> None:
    store.blobs.add(CONTENT)
    store.blobs.path(DESCRIPTOR.digest).write_bytes(CONTENT[:-1] + b"X")
    with store.blobs.open(DESCRIPTOR) as stream, pytest.raises(IntegrityError):
        stream.read(len(CONTENT))


def test_who_seeks_reads_the_middle_of_a_blob(store: Store) -> None:
    store.blobs.add(CONTENT)
    with store.blobs.open(DESCRIPTOR) as stream:
        stream.seek(100_005)
        assert stream.read(10) == CONTENT[100_005:100_015]
        stream.seek(0)
        assert stream.read() == CONTENT


def test_a_missing_blob_is_named(store: Store) -> None:
    with pytest.raises(ImageError, match=DESCRIPTOR.digest):
        store.blobs.open(DESCRIPTOR)


@pytest.mark.parametrize("digest", ["sha256:../../x", "foo:" + "0" * 64, "sha256:" + "A" * 64, "sha256:00", ""])
def test_what_is_no_digest_becomes_no_path(store: Store, digest: str) -> None:
    with pytest.raises(IntegrityError, match="no digest"):
        store.blobs.path(digest)


def test_a_document_has_an_end(store: Store) -> None:
    huge = Descriptor("application/json", DESCRIPTOR.digest, 5 << 20)
    with pytest.raises(ImageError, match="at most 4 MiB"):
        store.blobs.read(huge)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of 300 KiB."""
    require("mount", "umount", root=True)
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(place)], check=True)
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.e2e
def test_a_full_disk_is_one_clear_error_and_the_store_works_afterwards(small_disk: Path) -> None:
    with Store.at(small_disk / "store") as store:
        with pytest.raises(UnavailableError, match="has no room left") as raised:
            store.blobs.add(CONTENT * 3)
        assert "minibuild rmi" in raised.value.hint
        with pytest.raises(UnavailableError), store.blobs.writer() as writer:
            while True:
                writer.write(CONTENT[:5000])
        assert leftovers(store) == []
        assert list(store.blobs) == []
        assert store.blobs.add(b"small") in store.blobs
