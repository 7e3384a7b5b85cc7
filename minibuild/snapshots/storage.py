"""Thin pools for trees: made, measured and taken away. Other snapshotters need nothing but the store's directory."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from minibuild.errors import UnavailableError
from minibuild.sandbox import device_mapper
from minibuild.sandbox.scratch import remove_tree
from minibuild.snapshots.devicemapper import POOL, DeviceMapperSnapshotter, obstacle
from minibuild.snapshots.pool import BASE, Parts, Pool, Usage
from minibuild.snapshots.pool_options import PoolOptions
from minibuild.snapshots.volume import make_filesystem
from minibuild.values import dataclass

_DATA, _METADATA = "data", "metadata"


@dataclass(frozen=True, slots=True)
class Storage:
    """A store's pool: what it is made of, how large its trees may become, and how much of it is in use. ``usage`` None:
    nobody can tell, because of ``reason``.
    """

    made_of: str
    tree_size: int
    usage: Usage | None
    reason: str = ""


def directory_of(root: Path) -> Path:
    """Where the store at ``root`` keeps its pool and the trees in it."""
    return root / "snapshots" / DeviceMapperSnapshotter.name


def create(directory: Path, options: PoolOptions) -> None:
    """Makes a pool, with the empty tree in it. Raises UnavailableError where there is one, or can be none."""
    if (directory / POOL).is_dir():
        raise UnavailableError("this store has a pool already", hint="minibuild storage rm devicemapper")
    if reason := obstacle():
        raise UnavailableError(reason)
    unfinished = _cleared(directory)
    (unfinished / POOL).mkdir(mode=0o700, parents=True)
    try:
        parts = _parts(unfinished / POOL, options)
        parts.write(unfinished / POOL)
        _fill(Pool(unfinished / POOL, parts))
        os.rename(unfinished, directory)
    except OSError as error:
        at = f"{error.filename}: " if error.filename else ""
        raise UnavailableError(f"no pool can be made: {at}{(error.strerror or str(error)).lower()}") from error


def remove(directory: Path) -> None:
    """Takes a pool away, and all trees in it, which are made again when they are wanted. One that was given is emptied.

    Raises UnavailableError where there is none, or somebody works with it.
    """
    pool = _pool(directory)
    try:
        if pool.parts.given:
            for volume in range(pool.fresh()):
                pool.delete(volume)
        elif obstacle() is None:
            pool.close_down()
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        raise UnavailableError("the pool is in use", hint="wait until what builds in this store has ended") from error
    gone = _cleared(directory)
    os.rename(directory, gone)
    remove_tree(gone)


def describe(directory: Path) -> Storage | None:
    """The pool of a directory; None where there is none."""
    try:
        pool = Pool.at(directory / POOL)
    except FileNotFoundError:
        return None
    parts = pool.parts
    made_of = parts.given or (f"files in {directory / POOL}" if parts.data == _DATA else f"{parts.data}")
    if reason := obstacle():
        return Storage(made_of, parts.tree_size, None, reason)
    return Storage(made_of, parts.tree_size, pool.usage())


def _cleared(directory: Path) -> Path:
    """Where a pool stands while it is made or removed: beside its place, where nobody takes it for one."""
    unfinished = directory.with_name(f"{directory.name}.unfinished")
    if unfinished.exists():
        remove_tree(unfinished)
    return unfinished


def _parts(directory: Path, options: PoolOptions) -> Parts:
    name = f"minibuild-{os.urandom(6).hex()}"
    if options.thin_pool:
        _check_given(options.thin_pool)
        return Parts(name, options.tree_size, given=os.path.abspath(options.thin_pool))
    if options.data_device:
        with open(options.metadata_device, "r+b", buffering=0) as device:
            device.write(bytes(4096))  # so that the kernel takes it for that of a new pool
            os.fsync(device.fileno())  # which it reads past the page cache
        devices = (os.path.abspath(path) for path in (options.data_device, options.metadata_device))
        return Parts(name, options.tree_size, options.block_size, *devices)
    for part, size in ((_DATA, options.data_size), (_METADATA, options.metadata_bytes)):
        with open(directory / part, "xb") as file:
            file.truncate(size)
    return Parts(name, options.tree_size, options.block_size, _DATA, _METADATA)


def _check_given(path: str) -> None:
    status = os.stat(path)
    device = device_mapper.find(number=status.st_rdev) if stat.S_ISBLK(status.st_mode) else None
    usage = Usage.parse(device.status if device else "")
    if not usage.data_total:
        raise UnavailableError(f"{path} is no thin pool", hint="dmsetup status shows what is one")
    if usage.data:
        hint = "a store wants a pool for itself, which nobody else makes volumes in"
        raise UnavailableError(f"{path} isn't empty: {usage}", hint=hint)


def _fill(pool: Pool) -> None:
    volume = pool.fresh()
    assert volume == BASE
    pool.create(volume)
    try:
        descriptor = pool.open_volume(volume, writable=True)
        try:
            make_filesystem(os.fstat(descriptor).st_rdev)
        finally:
            os.close(descriptor)
    except BaseException:
        with suppress(OSError):
            pool.delete(volume)
        raise


def _pool(directory: Path) -> Pool:
    try:
        return Pool.at(directory / POOL)
    except FileNotFoundError as error:
        raise UnavailableError("this store has no pool", hint="minibuild storage create devicemapper") from error
