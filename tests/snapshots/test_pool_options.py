"""What ``--storage-opt`` says, and what is kept of it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from minibuild.errors import UnavailableError, UsageError
from minibuild.snapshots.pool import Parts, Pool, Usage
from minibuild.snapshots.pool_options import PoolOptions

GIB, MIB, KIB = 1 << 30, 1 << 20, 1 << 10
FULL = "0 1697/16384 16384/16384 - out_of_data_space discard_passdown error_if_no_space - 1024 "


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], PoolOptions(100 * GIB, 0, 10 * GIB, 64 * KIB)),
        (["dm.loopdatasize=20G", "dm.loopdatasize=30g"], PoolOptions(data_size=30 * GIB)),
        (["dm.loopmetadatasize=1GB", "dm.basesize=512M"], PoolOptions(metadata_size=GIB, tree_size=512 * MIB)),
        (["dm.blocksize=128K", "dm.fs=ext4"], PoolOptions(block_size=128 * KIB)),
        (["dm.thinpooldev=/dev/mapper/pool"], PoolOptions(thin_pool="/dev/mapper/pool")),
        (["dm.datadev=/dev/b", "dm.metadatadev=/dev/c"], PoolOptions(data_device="/dev/b", metadata_device="/dev/c")),
    ],
    ids=repr,
)
def test_dockers_words_are_understood(words: list[str], options: PoolOptions) -> None:
    assert PoolOptions.parse(words) == options


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("dm.bassize=1G", "--storage-opt knows no 'dm.bassize'", "did you mean dm.basesize?"),
        ("size=1G", "--storage-opt knows no 'size'", "there are dm.basesize, dm.blocksize, dm.datadev, "),
        (
            "dm.directlvm_device=/dev/b",
            "--storage-opt dm.directlvm_device isn't taken here",
            "make a thin pool with LVM",
        ),
        ("dm.use_deferred_removal=true", "--storage-opt dm.use_deferred_removal isn't taken here", "leave it out"),
        ("dm.basesize", "--storage-opt wants dm.basesize=VALUE, got 'dm.basesize'", ""),
        ("dm.basesize=", "--storage-opt wants dm.basesize=VALUE, got 'dm.basesize='", ""),
        ("dm.basesize=big", "dm.basesize wants a size such as 20G, got 'big'", ""),
        ("dm.basesize=1M", "dm.basesize wants 16M at least, got 1048576 bytes", ""),
        ("dm.blocksize=100K", "dm.blocksize wants a multiple of 64K up to 1G, got 102400 bytes", ""),
        ("dm.fs=xfs", "dm.fs wants ext4, got 'xfs'", "trees have no other filesystem"),
        ("dm.datadev=/dev/b", "dm.datadev and dm.metadatadev go together, got one of them", ""),
    ],
)
def test_what_cannot_be_is_refused(word: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        PoolOptions.parse([word])

    assert (caught.value.message, caught.value.hint[: len(hint)]) == (message, hint)


def test_metadata_grow_with_data() -> None:
    sizes = [PoolOptions(data_size=GIB), PoolOptions(data_size=100 * GIB), PoolOptions(metadata_size=16 * MIB)]

    assert [options.metadata_bytes for options in sizes] == [64 * MIB, GIB, 16 * MIB]


@pytest.mark.parametrize(
    ("status", "usage", "is_full"),
    [
        ("0 5/16384 16/16384 - rw discard_passdown error_if_no_space - 1024 ", Usage(16, 16384, 5, 16384, "rw"), False),
        (FULL, Usage(16384, 16384, 1697, 16384, "out_of_data_space"), True),
        (
            "0 16384/16384 16/16384 - ro discard_passdown error_if_no_space - 1024 ",
            Usage(16, 16384, 16384, 16384, "ro"),
            True,
        ),
        ("Fail", Usage(0, 0, 0, 0, "fail"), False),
        ("", Usage(0, 0, 0, 0, "missing"), False),
    ],
)
def test_the_kernels_words_for_a_pool_are_understood(status: str, usage: Usage, is_full: bool) -> None:
    assert (Usage.parse(status), usage.is_full) == (usage, is_full)


def test_how_full_a_pool_is_is_said_in_percent() -> None:
    assert str(Usage.parse(FULL)) == "100 % of its data and 10 % of its metadata are in use"


def test_what_a_pool_is_made_of_is_read_as_it_was_written(tmp_path: Path) -> None:
    parts = Parts("minibuild-1", 512 * MIB, 64 * KIB, "data", "metadata")

    parts.write(tmp_path)

    assert Pool.at(tmp_path).parts == parts


def test_no_two_volumes_ever_have_one_number(tmp_path: Path) -> None:
    Parts("minibuild-1", GIB).write(tmp_path)
    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.append(Pool.at(tmp_path).fresh())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(numbers) == list(range(20))


def test_numbers_come_to_an_end_and_it_is_said(tmp_path: Path) -> None:
    Parts("minibuild-1", GIB).write(tmp_path)
    (tmp_path / "next").write_text(str(1 << 24))

    with pytest.raises(UnavailableError, match=r"^the pool has had 16777215 volumes, and numbers no more$"):
        Pool.at(tmp_path).fresh()


def test_a_given_pool_that_is_not_there_is_named(tmp_path: Path) -> None:
    Parts("minibuild-1", GIB, given=f"{tmp_path}/vg-pool").write(tmp_path)

    with pytest.raises(UnavailableError, match=r"/vg-pool, the pool of this store, isn't there$"):
        Pool.at(tmp_path).device()
