"""What only devicemapper does. Takes a kernel that has one: ``tests/end_to_end/test_devicemapper.py`` brings it."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minibuild.errors import UnavailableError
from minibuild.sandbox import device_mapper
from minibuild.sandbox.devices import is_looped, loop_device
from minibuild.sandbox.mounts import private_mounts
from minibuild.snapshots import storage
from minibuild.snapshots.devicemapper import POOL, DeviceMapperSnapshotter, obstacle
from minibuild.snapshots.pool import Pool
from minibuild.snapshots.pool_options import PoolOptions
from tests.contracts.test_snapshotter import committed, contents, driver, in_progress, write
from tests.filesystems import make_pool
from tests.isolation import isolated

MIB = 1 << 20


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """A directory of devicemapper's with a small pool, which nobody has open."""
    if reason := obstacle():
        pytest.skip(f"devicemapper: {reason}")
    make_pool(tmp_path / "devicemapper", "dm.loopdatasize=64M", "dm.basesize=96M")
    return tmp_path / "devicemapper"


def opened(trees: Path) -> DeviceMapperSnapshotter:
    return DeviceMapperSnapshotter.open(trees)


def devices(trees: Path) -> list[str]:
    """What there is of a pool's devices."""
    return device_mapper.names(Pool.at(trees / POOL).parts.name)


def wait_until(condition: Callable[[], bool]) -> None:
    """The kernel takes devices away a moment after the last has closed them."""
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def random_file(mebibytes: int) -> Callable[[Path], None]:
    return lambda root: (root / "big").write_bytes(os.urandom(mebibytes * MIB)) and None


# --- nothing stays -------------------------------------------------------------------------------------------------


@isolated
def test_devices_and_loops_go_with_the_last_who_uses_them(trees: Path) -> None:
    snapshotter = opened(trees)
    committed(snapshotter, "one", None, lambda root: write(root, {"f": "f"}))
    wait_until(lambda: len(devices(trees)) == 1)  # the pool; what was mounted isn't any more

    del snapshotter

    wait_until(lambda: not devices(trees))
    wait_until(lambda: not any(is_looped(f"{trees}/{POOL}/{part}") for part in ("data", "metadata")))


@isolated
def test_a_killed_process_leaves_no_device_no_loop_and_no_volume(trees: Path, tmp_path: Path) -> None:
    process = driver(trees, tmp_path, "workspace")
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    assert len(devices(trees)) == 2

    process.send_signal(signal.SIGKILL)
    process.communicate()

    wait_until(lambda: not devices(trees))
    wait_until(lambda: not is_looped(f"{trees}/{POOL}/data"))
    before = len(in_progress(trees))
    used = opened(trees).pool.usage().data
    assert (before, in_progress(trees), used) == (1, [], opened(trees).pool.usage().data)


@isolated
def test_devices_that_nobody_came_to_open_are_swept(trees: Path) -> None:
    snapshotter = opened(trees)
    pool = snapshotter.pool
    pool.create(7)
    number = pool.device()
    words = f"{os.major(number)}:{os.minor(number)} 7"
    device_mapper.create(f"{pool.parts.name}-7", 8, "thin", words)

    opened(trees)

    assert devices(trees) == [pool.parts.name]


@isolated
def test_a_thread_that_was_started_meanwhile_keeps_no_volume(trees: Path) -> None:
    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: (private_mounts(), ready.set(), done.wait()))
    with opened(trees).workspace(None):
        thread.start()
        ready.wait()
    left = in_progress(trees)
    done.set()
    thread.join()

    assert left == []


@isolated
def test_a_pool_that_is_just_going_is_made_again_with_all_that_it_had(trees: Path) -> None:
    for number in range(8):
        snapshotter = opened(trees)
        committed(snapshotter, f"c{number}", f"c{number - 1}" if number else None, random_file(1))
        del snapshotter

    with opened(trees).view("c7") as root:
        assert [path.name for path in root.iterdir()] == ["big"]


# --- room ----------------------------------------------------------------------------------------------------------


@isolated
def test_what_fills_the_pool_is_told_so_and_the_pool_goes_on(trees: Path) -> None:
    snapshotter = opened(trees)
    committed(snapshotter, "one", None, random_file(40))
    with pytest.raises(UnavailableError, match=r"^the pool of devicemapper is full: 100 % of its data and") as caught:
        committed(snapshotter, "two", "one", random_file(40))

    assert caught.value.hint.startswith("minibuild prune makes room; ")
    assert ("one" in snapshotter, "two" in snapshotter, in_progress(trees)) == (True, False, [])
    committed(snapshotter, "three", "one", lambda root: write(root, {"f": "f"}))
    with snapshotter.view("three") as root:
        assert sorted(path.name for path in root.iterdir()) == ["big", "f"]


@isolated
def test_what_fills_its_tree_is_told_so(tmp_path: Path, trees: Path) -> None:  # noqa: ARG001
    make_pool(tmp_path / "other", "dm.basesize=16M")

    with pytest.raises(UnavailableError, match=r"^a tree of devicemapper has 16 MiB, and they are full$"):
        committed(opened(tmp_path / "other"), "one", None, random_file(20))


@isolated
def test_a_forgotten_chain_gives_its_room_back(trees: Path) -> None:
    snapshotter = opened(trees)
    committed(snapshotter, "one", None, lambda root: write(root, {"f": "f"}))
    before = snapshotter.pool.usage().data
    committed(snapshotter, "two", "one", random_file(20))
    between = snapshotter.pool.usage().data

    snapshotter.retain(["one"])

    assert (between - before >= 20 * 16, snapshotter.pool.usage().data) == (True, before)


@isolated
def test_a_chain_that_is_read_is_forgotten_by_a_later_sweep(trees: Path) -> None:
    snapshotter = opened(trees)
    committed(snapshotter, "one", None, lambda root: write(root, {"f": "f"}))
    with snapshotter.view("one") as root:
        snapshotter.retain([])
        assert ("one" in snapshotter, contents(root), len(in_progress(trees))) == (False, {"f": "f"}, 2)

    opened(trees)

    assert in_progress(trees) == []


# --- storage -------------------------------------------------------------------------------------------------------


@isolated
def test_a_store_has_one_pool(trees: Path) -> None:
    with pytest.raises(UnavailableError, match=r"^this store has a pool already$"):
        storage.create(trees, PoolOptions())


@isolated
def test_a_pool_in_use_is_not_removed_and_afterwards_nothing_is_left(trees: Path) -> None:
    snapshotter = opened(trees)
    with snapshotter.workspace(None), pytest.raises(UnavailableError, match=r"^the pool is in use$"):
        storage.remove(trees)
    del snapshotter

    storage.remove(trees)

    assert (trees.exists(), storage.describe(trees)) == (False, None)


@contextmanager
def thin_pool(tmp_path: Path) -> Iterator[str]:
    """A pool that somebody else made: its device."""
    paths = [tmp_path / "their-metadata", tmp_path / "their-data"]
    for path in paths:
        path.write_bytes(b"")
        os.truncate(path, 64 * MIB)
    with loop_device(str(paths[0])) as metadata, loop_device(str(paths[1])) as data:
        words = " ".join(f"{os.major(number)}:{os.minor(number)}" for number in (metadata, data))
        device_mapper.create("theirs", 64 * MIB // 512, "thin-pool", f"{words} 128 0")
    device = device_mapper.find("theirs")
    assert device
    os.mknod(tmp_path / "theirs", stat.S_IFBLK | 0o600, device.number)
    try:
        yield str(tmp_path / "theirs")
    finally:
        wait_until(lambda: (device_mapper.find("theirs") or device).opened == 0)
        device_mapper.remove("theirs")


@isolated
def test_a_given_pool_is_used_while_it_is_ours_alone_and_left_empty(tmp_path: Path, trees: Path) -> None:
    with thin_pool(tmp_path) as path:
        options, ours = PoolOptions(tree_size=32 * MIB, thin_pool=path), tmp_path / "ours"
        storage.create(ours, options)
        committed(opened(ours), "one", None, lambda root: write(root, {"f": "f"}))
        with pytest.raises(UnavailableError, match=r"theirs isn't empty: \d+ % of its data and"):
            storage.create(tmp_path / "another", options)

        storage.remove(ours)

        device = device_mapper.find("theirs")
        assert device
        assert " 0/1024 " in device.status
        with pytest.raises(UnavailableError, match=r"/data is no thin pool$"):
            storage.create(tmp_path / "another", PoolOptions(thin_pool=f"{trees}/{POOL}/data"))
        assert not (tmp_path / "another").exists()


@isolated
def test_a_pool_is_made_of_given_devices(tmp_path: Path, trees: Path) -> None:  # noqa: ARG001
    paths = [tmp_path / "b", tmp_path / "c"]
    for path in paths:
        path.write_bytes(os.urandom(4096))  # what was there before is no pool's
        os.truncate(path, 64 * MIB)
    with loop_device(str(paths[0])) as data, loop_device(str(paths[1])) as metadata:
        words = [f"dm.datadev=/dev/loop{os.minor(data)}", f"dm.metadatadev=/dev/loop{os.minor(metadata)}"]
        make_pool(tmp_path / "ours", "dm.basesize=32M", *words)
        snapshotter = opened(tmp_path / "ours")
        committed(snapshotter, "one", None, lambda root: write(root, {"f": "f"}))

    with snapshotter.view("one") as root:
        assert contents(root) == {"f": "f"}


# --- where there is none -------------------------------------------------------------------------------------------


def test_where_the_kernel_or_a_pool_is_missing_that_is_the_reason(tmp_path: Path) -> None:
    reason = obstacle() or "this store has no thin pool; to make one: minibuild storage create devicemapper --size 20G"

    assert DeviceMapperSnapshotter.probe(tmp_path / "devicemapper") == reason
    with pytest.raises(UnavailableError, match=r"^this store has no thin pool$"):
        opened(tmp_path / "devicemapper")


def test_where_the_kernel_has_no_device_mapper_no_pool_is_begun(tmp_path: Path) -> None:
    reason = obstacle()
    if reason is None:
        pytest.skip("this kernel has a device mapper")

    with pytest.raises(UnavailableError) as caught:
        storage.create(tmp_path / "devicemapper", PoolOptions())

    assert (caught.value.message, os.listdir(tmp_path)) == (reason, [])
