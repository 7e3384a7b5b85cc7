"""The store under its root: a standard image layout, safe to share, and quick to say what is wrong."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from minibuild.errors import ImageError, IntegrityError, UnavailableError, UsageError
from minibuild.oci import Descriptor, Digest, Layer, MediaType, Platform, Reference
from minibuild.store import Record, Store, data_directory
from tests.store.conftest import LINUX, gzipped_layer, stored_image

BASE = Reference.parse("base")


@pytest.mark.parametrize(
    ("environ", "uid", "expected"),
    [
        ({"MINIBUILD_ROOT": "/somewhere", "HOME": "/home/a"}, 1000, "/somewhere"),
        ({"HOME": "/root"}, 0, "/var/lib/minibuild"),
        ({"HOME": "/home/a"}, 1000, "/home/a/.local/share/minibuild"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": "/data"}, 1000, "/data/minibuild"),
        ({"HOME": "/home/a", "XDG_DATA_HOME": "data"}, 1000, "/home/a/.local/share/minibuild"),
        ({"HOME": "/home/a", "MINIBUILD_ROOT": ""}, 1000, "/home/a/.local/share/minibuild"),
    ],
)
def test_the_store_stands_where_the_platform_keeps_data(environ: Mapping[str, str], uid: int, expected: str) -> None:
    assert data_directory(environ, uid) == Path(expected)


def test_a_new_store_is_an_empty_image_layout_of_its_owner_alone(tmp_path: Path) -> None:
    with Store.at(tmp_path / "deep" / "store") as store:
        assert store.root.stat().st_mode & 0o777 == 0o700
        assert json.loads((store.root / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
        assert json.loads((store.root / "index.json").read_text())["manifests"] == []


def test_a_root_that_is_a_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file") as raised:
        Store.at(tmp_path / "file")
    assert "--root" in raised.value.hint


def test_a_root_with_other_people_s_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    tmp_path.chmod(0o755)
    with pytest.raises(UsageError, match="is neither empty nor a store") as raised:
        Store.at(tmp_path)
    assert "--root" in raised.value.hint
    assert os.listdir(tmp_path) == ["letters"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_an_empty_directory_that_was_there_is_closed_to_others(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with Store.at(tmp_path):
        assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_store_of_which_everything_but_the_locks_was_deleted_is_a_new_one(tmp_path: Path) -> None:
    import shutil

    with Store.at(tmp_path / "store") as store:
        store.images.tag(BASE, stored_image(store, "a"))
        for name in ("blobs", "tmp", "indices"):
            shutil.rmtree(store.root / name)
        for name in ("index.json", "oci-layout"):
            (store.root / name).unlink()
    with Store.at(tmp_path / "store") as store:
        image = stored_image(store, "b")
        store.images.tag(BASE, image)
        assert store.images.list() == ((BASE, image),)


def test_a_root_below_a_file_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="can't be written") as raised:
        Store.at(tmp_path / "file" / "store")
    assert "--root" in raised.value.hint


def test_a_root_that_may_not_be_written_is_refused_with_the_remedy() -> None:
    root = "/proc/store"
    with pytest.raises(UnavailableError, match="/proc/store can't be written") as raised:
        Store.at(Path(root))
    assert "--root" in raised.value.hint


def test_an_image_comes_back_as_it_was(store: Store) -> None:
    image = stored_image(store, "a", b"tar one", b"tar two")
    assert store.image(image.digest) == image


def test_the_store_is_a_source_of_its_images(store: Store) -> None:
    image = stored_image(store, "a")
    store.images.tag(BASE, image)
    assert store.resolve(BASE, LINUX) == image
    with pytest.raises(ImageError, match="for linux/amd64, wanted linux/arm64"):
        store.resolve(BASE, Platform("linux", "arm64"))
    with pytest.raises(ImageError, match="other:1 isn't in the store"):
        store.resolve(Reference.parse("other:1"), LINUX)


def test_a_compressed_layer_is_unpacked_once_and_for_good(store: Store) -> None:
    layer = gzipped_layer(store, b"the tar" * 9999)
    with store.open_tar(layer) as stream:
        assert stream.read() == b"the tar" * 9999
    assert layer.diff_id in store.blobs
    store.blobs.remove(layer.descriptor.digest)
    with store.open_tar(layer) as stream:
        assert stream.read(7) == b"the tar"


def test_a_compressed_layer_is_streamed_without_keeping_its_tar(store: Store) -> None:
    layer = gzipped_layer(store, b"the tar" * 9999)
    with store.stream_tar(layer) as stream:
        assert stream.read() == b"the tar" * 9999
    assert list(store.blobs) == [layer.descriptor.digest]


def test_a_compressed_layer_of_another_diff_id_is_refused_and_not_kept(store: Store) -> None:
    honest = gzipped_layer(store, b"the tar")
    layer = Layer(honest.descriptor, Digest.of(b"another tar"))
    with pytest.raises(IntegrityError) as raised:
        store.open_tar(layer)
    with pytest.raises(IntegrityError), store.stream_tar(layer) as stream:
        stream.read()
    assert layer.diff_id in raised.value.message and honest.diff_id in raised.value.message
    assert list(store.blobs) == [layer.descriptor.digest]


def test_a_compressed_layer_cut_short_is_refused(store: Store) -> None:
    content = gzip.compress(b"the tar" * 999)[:-9]
    layer = Layer(Descriptor(MediaType.LAYER_GZIP, store.blobs.add(content), len(content)), Digest.of(b"the tar" * 999))
    with pytest.raises(ImageError):
        store.open_tar(layer)
    assert layer.diff_id not in store.blobs


def test_usage_counts_bytes(store: Store) -> None:
    store.blobs.add(b"12345")
    store.records.put(Record("key"))
    usage = store.usage()
    assert usage["blobs"] == 5
    assert usage["indices"] == 0
    assert usage["cache"] > 0


def test_opening_an_idle_store_clears_what_a_killed_process_left(tmp_path: Path) -> None:
    with Store.at(tmp_path / "store") as store:
        draft = store.blobs.draft()
        draft.__enter__().write(b"half")
        (store.scratch / "directory" / "below").mkdir(parents=True)
        with Store.at(store.root):
            assert len(os.listdir(store.scratch)) == 2, "its writer lives"
    with Store.at(tmp_path / "store"):
        assert os.listdir(tmp_path / "store" / "tmp") == []


def _write_much(root: Path, number: int, rounds: int) -> None:
    with Store.at(root) as store:
        for turn in range(rounds):
            image = stored_image(store, f"{number}-{turn}", b"shared layer" * 5000, f"own {turn}".encode())
            store.images.tag(Reference.parse(f"app{number}:{turn}"), image)
            store.images.tag(Reference.parse("contended"), image)
            store.records.put(Record(f"key {number} {turn}", layer=image.layers[0]))
            assert store.records.find(f"key {number} {turn}", ()) is not None


def test_ten_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    root, writers, rounds = tmp_path / "store", 10, 5
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write_much, args=(root, number, rounds)) for number in range(writers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * writers
    with Store.at(root) as store:
        named = [str(reference) for reference, _ in store.images.list() if reference]
        expected = {f"docker.io/library/app{number}:{turn}" for number in range(writers) for turn in range(rounds)}
        assert sorted(named) == sorted(expected | {"docker.io/library/contended:latest"})
        assert len(store.records.all()) == writers * rounds
        assert os.listdir(root / "tmp") == []


def _unpack(root: Path, layer: Layer) -> None:
    with Store.at(root) as store, store.open_tar(layer) as stream:
        assert Digest.of(stream.read()) == layer.diff_id


def test_eight_processes_unpack_one_layer_at_once(store: Store) -> None:
    layer = gzipped_layer(store, os.urandom(1 << 20))
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_unpack, args=(store.root, layer)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 8


_BUSY_WRITER = """
import sys
from pathlib import Path
from minibuild.store import Store, Record
from minibuild.oci import Reference
from tests.store.conftest import stored_image
with Store.at(Path(sys.argv[1])) as store:
    number = 0
    while True:
        number += 1
        image = stored_image(store, str(number), b"tar" * 100_000 + str(number).encode())
        store.records.put(Record(str(number), layer=image.layers[0]))
        store.images.tag(Reference.parse("app"), image)
        print(number, flush=True)
"""


@pytest.mark.parametrize("patience", [1, 2, 3, 5, 8])
def test_a_kill_at_any_moment_leaves_a_store_that_works(tmp_path: Path, patience: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _BUSY_WRITER, str(tmp_path / "store")], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout
    for _ in range(patience):
        assert writer.stdout.readline()
    time.sleep(patience / 1000)
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    with Store.at(tmp_path / "store") as store:
        for _, image in store.images.list():
            with store.open(image.layers[0].descriptor) as stream:
                assert Digest.of(stream.read()) == image.layers[0].diff_id
        assert len(store.records.all()) >= patience - 1
        assert os.listdir(store.root / "tmp") == []
