"""What a thin pool is to be like, in Docker's words: ``dm.basesize=20G`` and its sisters.

Source: docker 24, dockerd reference, "Devicemapper options".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from minibuild.errors import UsageError, did_you_mean
from minibuild.instructions.notation import parse_size
from minibuild.values import dataclass, replace

_GIB, _MIB, _KIB = 1 << 30, 1 << 20, 1 << 10
_LEAST_BLOCK, _GREATEST_BLOCK = 64 * _KIB, _GIB


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """A pool that is to be made, of files in the store or of two block devices; or ``thin_pool``, one that is there.

    Sizes are in bytes; the files take room on the disk as it is used. ``tree_size`` is how large a tree may become.
    """

    data_size: int = 100 * _GIB
    metadata_size: int = 0
    """0: by the size of the data."""
    tree_size: int = 10 * _GIB
    block_size: int = 64 * _KIB
    data_device: str = ""
    metadata_device: str = ""
    thin_pool: str = ""

    @classmethod
    def parse(cls, words: Iterable[str]) -> PoolOptions:
        """What ``dm.…=…`` words say, the last of a name; raises UsageError."""
        options = cls()
        for word in words:
            name, equals, value = word.partition("=")
            if name in _REFUSED:
                raise UsageError(f"--storage-opt {name} isn't taken here", hint=_REFUSED[name])
            if name not in _FIELDS:
                hint = did_you_mean(name, list(_FIELDS)) or f"there are {', '.join(_FIELDS)}"
                raise UsageError(f"--storage-opt knows no {name!r}", hint=hint)
            if not equals or not value:
                raise UsageError(f"--storage-opt wants {name}=VALUE, got {word!r}")
            options = options.with_word(name, value)
        options.check()
        return options

    def with_word(self, name: str, value: str) -> PoolOptions:
        """The same with one word more; raises UsageError for a value that can't be."""
        field = _FIELDS[name]
        if field == "filesystem":
            if value != "ext4":
                raise UsageError(
                    f"dm.fs wants ext4, got {value!r}", hint="trees have no other filesystem: leave it out"
                )
            return self
        changes: dict[str, Any] = {field: value}
        if field.endswith("_size"):
            changes[field] = size = parse_size(value)
            if not size:
                raise UsageError(f"{name} wants a size such as 20G, got {value!r}")
        return replace(self, **changes)

    def check(self) -> None:
        """Raises UsageError where one word contradicts another, or a number can't be."""
        if bool(self.data_device) != bool(self.metadata_device):
            raise UsageError("dm.datadev and dm.metadatadev go together, got one of them")
        if self.thin_pool and self.data_device:
            raise UsageError("dm.thinpooldev is a whole pool, and needs no dm.datadev", hint="leave one of them out")
        if self.block_size % _LEAST_BLOCK or not _LEAST_BLOCK <= self.block_size <= _GREATEST_BLOCK:
            raise UsageError(f"dm.blocksize wants a multiple of 64K up to 1G, got {self.block_size} bytes")
        if self.tree_size < 16 * _MIB:
            raise UsageError(f"dm.basesize wants 16M at least, got {self.tree_size} bytes")

    @property
    def metadata_bytes(self) -> int:
        """How large the metadata's file is to be: the kernel asks for 48 bytes a block, snapshots for some more."""
        return self.metadata_size or max(self.data_size // 100, 64 * _MIB)


_FIELDS: Mapping[str, str] = {
    "dm.basesize": "tree_size",
    "dm.blocksize": "block_size",
    "dm.datadev": "data_device",
    "dm.fs": "filesystem",
    "dm.loopdatasize": "data_size",
    "dm.loopmetadatasize": "metadata_size",
    "dm.metadatadev": "metadata_device",
    "dm.thinpooldev": "thin_pool",
}
"""Option → the field that it sets."""

_MAKE_POOL = "make a thin pool with LVM (lvcreate --type thin-pool), and name it by dm.thinpooldev=/dev/mapper/NAME"
_ALWAYS = "leave it out: devices always go with the last who has them open"
_LEAVE_OUT = "leave it out"

_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("dm.directlvm_device", "dm.directlvm_device_force", "dm.thinp_percent"), _MAKE_POOL),
    **dict.fromkeys(("dm.thinp_metapercent", "dm.thinp_autoextend_threshold"), _MAKE_POOL),
    "dm.thinp_autoextend_percent": _MAKE_POOL,
    **dict.fromkeys(("dm.use_deferred_removal", "dm.use_deferred_deletion"), _ALWAYS),
    **dict.fromkeys(("dm.blkdiscard", "dm.libdm_log_level", "dm.min_free_space"), _LEAVE_OUT),
    **dict.fromkeys(("dm.mkfsarg", "dm.mountopt", "dm.xfs_nospace_max_retries"), _LEAVE_OUT),
    "dm.override_udev_sync_check": "leave it out: nothing here waits for udev",
}
"""Option → what to do instead."""
