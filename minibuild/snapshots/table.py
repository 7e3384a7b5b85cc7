"""The snapshotters."""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.snapshots.base import Snapshotter
from minibuild.snapshots.btrfs import BtrfsSnapshotter
from minibuild.snapshots.devicemapper import DeviceMapperSnapshotter
from minibuild.snapshots.fuse_overlay import FuseOverlaySnapshotter
from minibuild.snapshots.native import NativeSnapshotter
from minibuild.snapshots.overlay import OverlaySnapshotter

# In order of preference. fuse-overlayfs, though fast, comes last for its faults: what it copies up loses setuid bits,
# and links their owners; files that were deleted with their directory are in the way of new ones
# (https://github.com/containers/fuse-overlayfs/issues/444).
TABLE: Mapping[str, type[Snapshotter]] = {
    snapshotter.name: snapshotter
    for snapshotter in (
        OverlaySnapshotter,
        BtrfsSnapshotter,
        DeviceMapperSnapshotter,
        NativeSnapshotter,
        FuseOverlaySnapshotter,
    )
}
