"""A thin pool: volumes that take blocks as they are written to, and share them with those they are snapshots of.

``<shelf>/.pool/`` has ``pool.json``, what the pool is made of, unless it was given the files with its data and
metadata, and ``next``, the number of the next volume. The kernel takes the pool away with the last process that has it
open, and a volume with the last who has it mounted: nothing is left of a process that is killed, but for a moment
between the making of a device and its opening, whose devices ``sweep`` removes.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from minibuild.errors import UnavailableError
from minibuild.sandbox import device_mapper
from minibuild.sandbox.devices import is_looped, loop_device, open_device
from minibuild.snapshots.volume import Tree
from minibuild.values import dataclass

BASE = 0
"""The volume with the empty tree."""
SECTOR = 512
_LAST = (1 << 24) - 1  # the greatest number that a volume may have
_PATIENCE_S, _SHORT_PATIENCE_S = 10, 1
_METADATA_BLOCK = 4096

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a pool is made of: data and metadata, files beside ``pool.json`` or block devices by their paths; or, where
    ``given`` is its path, a thin pool that somebody else made. Sizes are in bytes.
    """

    name: str
    """What its devices' names begin with."""
    tree_size: int
    block_size: int = 0
    data: str = ""
    metadata: str = ""
    given: str = ""

    @classmethod
    def read(cls, directory: Path) -> Parts:
        """Those of the pool in a directory; raises FileNotFoundError where there is none."""
        return cls(**json.loads((directory / "pool.json").read_text()))

    def write(self, directory: Path) -> None:
        """Makes a directory one of a pool."""
        words = {name: getattr(self, name) for name in self.__slots__}
        (directory / "pool.json").write_text(json.dumps(words, indent=2) + "\n")


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a pool is in use, in its own blocks; ``mode`` is ``rw`` while it takes more."""

    data: int
    data_total: int
    metadata: int
    metadata_total: int
    mode: str

    @classmethod
    def parse(cls, status: str) -> Usage:
        """What the kernel says of a pool (Documentation/admin-guide/device-mapper/thin-provisioning.rst)."""
        words = status.split()
        if len(words) < 5:
            return cls(0, 0, 0, 0, status.lower() or "missing")
        metadata, data = (tuple(map(int, word.split("/"))) for word in words[1:3])
        return cls(data[0], data[1], metadata[0], metadata[1], words[4])

    @property
    def is_full(self) -> bool:
        """Nothing more can be written, or no volume be made."""
        return self.mode in ("out_of_data_space", "ro") or 0 < self.data_total == self.data

    @property
    def is_broken(self) -> bool:
        """The kernel has given it up."""
        return self.mode in ("fail", "error", "missing")

    def __str__(self) -> str:
        data, metadata = _percent(self.data, self.data_total), _percent(self.metadata, self.metadata_total)
        return f"{data} of its data and {metadata} of its metadata are in use"


class Pool:
    """A pool as one process has it. Volumes are numbers; whoever wants one asks ``fresh`` for a number, and writes that
    down before making it, so that it can be deleted whatever happens.
    """

    def __init__(self, directory: Path, parts: Parts) -> None:
        self.directory, self.parts = directory, parts
        self._descriptor = -1

    @classmethod
    def at(cls, directory: Path) -> Pool:
        """The pool in a directory; raises FileNotFoundError where there is none."""
        return cls(directory, Parts.read(directory))

    def fresh(self) -> int:
        """The number of a volume that there has never been."""
        with self._alone():
            file = os.open(self.directory / "next", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                number = int(os.pread(file, 16, 0) or BASE)
                if number > _LAST:
                    hint = "minibuild storage rm devicemapper, and make it anew"
                    raise UnavailableError(f"the pool has had {_LAST} volumes, and numbers no more", hint=hint)
                # Overwritten in place, and on the disk before it is used: whoever got a number for the second time
                # could take somebody's tree along.
                os.pwrite(file, f"{number + 1:08}\n".encode(), 0)
                os.fsync(file)
            finally:
                os.close(file)
        return number

    def create(self, volume: int) -> None:
        """Makes an empty volume."""
        device_mapper.tell(self.device(), f"create_thin {volume}")

    def snapshot(self, volume: int, origin: int) -> None:
        """Makes a volume with all that another one has, which nobody must be writing to."""
        device_mapper.tell(self.device(), f"create_snap {volume} {origin}")

    def delete(self, volume: int) -> None:
        """Deletes a volume, if there is one; raises OSError EBUSY where somebody has it mounted."""
        pool = self.device()
        with self._alone():
            with suppress(FileNotFoundError):
                _patient(lambda: _removed(self._name(volume)), _SHORT_PATIENCE_S)
            try:
                # One that the kernel is taking away is busy for a moment more.
                _patient(lambda: device_mapper.tell(pool, f"delete {volume}"), _SHORT_PATIENCE_S)
            except OSError as error:
                if error.errno != errno.ENODATA:
                    raise

    def tree(self, volume: int, *, writable: bool = False) -> Tree:
        """A volume, mounted. To be written to it must be nobody else's; and what was sealed isn't written to again."""
        descriptor = self.open_volume(volume, writable=writable)
        try:
            return Tree(os.fstat(descriptor).st_rdev, writable=writable)
        finally:
            os.close(descriptor)

    def open_volume(self, volume: int, *, writable: bool) -> int:
        """A descriptor of a volume's block device, which is there while somebody has it open; the caller closes it."""
        pool, name = self.device(), self._name(volume)
        words = f"{os.major(pool)}:{os.minor(pool)} {volume}"
        sectors = self.parts.tree_size // SECTOR
        with self._alone():
            return _opened(name, lambda: device_mapper.create(name, sectors, "thin", words, read_only=not writable))

    def device(self) -> int:
        """The number of the pool's device, which is there from now on as long as this process."""
        with self._alone():
            if self._descriptor < 0:
                self._descriptor = self._open()
                weakref.finalize(self, os.close, self._descriptor)
            return os.fstat(self._descriptor).st_rdev

    def usage(self) -> Usage:
        """How much of it is in use now."""
        device = device_mapper.find(number=self.device())
        return Usage.parse(device.status if device else "")

    def sweep(self) -> None:
        """Removes devices that nobody has open; there are some where a process was killed while it made one."""
        with suppress(OSError), self._alone():
            for name in sorted(device_mapper.names(self.parts.name), key=len, reverse=True):  # the pool comes last
                device = device_mapper.find(name)
                if device and not device.opened:
                    device_mapper.remove(name)

    def close_down(self) -> None:
        """Takes the pool away; raises OSError EBUSY where another process has it, or one of its volumes."""
        if self._descriptor >= 0:
            raise AssertionError("we have it ourselves")
        with self._alone():
            for name in sorted(device_mapper.names(self.parts.name), key=len, reverse=True):
                with suppress(FileNotFoundError):
                    _patient(partial(_removed, name), _SHORT_PATIENCE_S)

    def _open(self) -> int:
        given = self.parts.given
        if given:
            try:
                return os.open(given, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError as error:
                hint = "activate it; LVM's: lvchange --activate y VOLUME-GROUP/POOL"
                raise UnavailableError(f"{given}, the pool of this store, isn't there", hint=hint) from error
        return _opened(self.parts.name, self._make)

    def _make(self) -> None:
        """Makes the pool's device. Where it was taken away a moment ago, its files are let go of first."""
        with ExitStack() as stack:
            devices = []
            for part in (self.parts.metadata, self.parts.data):
                path = self.directory / part
                if path.is_file():
                    _patient(partial(_let_go, path))
                    devices.append(stack.enter_context(loop_device(os.fspath(path))))
                else:
                    devices.append(path.stat().st_rdev)
            metadata, data = (f"{os.major(number)}:{os.minor(number)}" for number in devices)
            # Not to be told that it is full, but to wait for more room, is what a pool does unless asked.
            words = f"{metadata} {data} {self.parts.block_size // SECTOR} 0 2 skip_block_zeroing error_if_no_space"
            _patient(lambda: device_mapper.create(self.parts.name, _sectors(devices[1]), "thin-pool", words))

    def _name(self, volume: int) -> str:
        return f"{self.parts.name}-{volume}"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread or process makes or removes devices of this pool meanwhile."""
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _opened(name: str, make: Callable[[], None]) -> int:
    """A descriptor of a device, made if need be, that goes with the last who has it open."""

    def attempt() -> int:
        device = device_mapper.find(name)
        if device and not device.status:  # whoever made it was killed on the way
            device_mapper.remove(name)
            device = None
        if device is None:
            make()
            device = device_mapper.find(name)
        if device is None:
            raise BlockingIOError(errno.EBUSY, os.strerror(errno.EBUSY), name)
        descriptor = open_device(stat.S_IFBLK, device.number)
        device_mapper.remove_with_last(name)
        return descriptor

    return _patient(attempt)


def _patient(work: Callable[[], T], patience_s: float = _PATIENCE_S) -> T:
    """What the work comes to, as soon as devices are there no more that are going, or it is clear that they aren't."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return work()
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENXIO) or time.monotonic() > until:
                raise
        time.sleep(0.01)


def _removed(name: str) -> None:
    if device_mapper.find(name) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
    device_mapper.remove(name)


def _let_go(path: Path) -> None:
    if is_looped(os.fspath(path)):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), os.fspath(path))


def _sectors(number: int) -> int:
    descriptor = open_device(stat.S_IFBLK, number)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END) // SECTOR
    finally:
        os.close(descriptor)


def _percent(used: int, total: int) -> str:
    return f"{100 * used / total:.0f} %" if total else "nothing"
