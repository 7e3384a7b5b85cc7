"""Filesystems of their own, on files: what the machine's own may not be able to do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minibuild.snapshots import storage
from minibuild.snapshots.devicemapper import obstacle
from minibuild.snapshots.pool_options import PoolOptions
from minibuild.snapshots.table import TABLE
from tests.machine import require

# The snapshotters but devicemapper, for which test_devicemapper.py of end_to_end brings a kernel that has one.
SNAPSHOTTERS = tuple(name for name in TABLE if name != "devicemapper")
_BYTES = 1 << 30


@contextmanager
def loop_mounted(kind: str, directory: Path, *words: str, options: str = "loop") -> Iterator[Path]:
    """A fresh filesystem of a kind, mounted while the block lasts; ``words`` go to its mkfs, ``options`` to mount."""
    require(f"mkfs.{kind}", root=True)
    image, place = directory / f"{kind}.image", directory / kind
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(_BYTES)
    subprocess.run([f"mkfs.{kind}", "-q", *words, image], check=True)
    mounted = subprocess.run(["mount", "-o", options, image, place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no loop device: {mounted.stderr}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
        image.unlink()


def make_pool(directory: Path, *words: str) -> None:
    """Gives a directory of devicemapper's a pool, if the kernel can have one; its files are all that will be left."""
    if obstacle() is None:
        storage.create(directory, PoolOptions.parse(["dm.loopdatasize=1G", "dm.basesize=256M", *words]))
