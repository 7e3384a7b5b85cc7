"""The snapshotters."""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.snapshots.base import Snapshotter
from minibuild.snapshots.btrfs import BtrfsSnapshotter
from minibuild.snapshots.devicemapper import DeviceMapperSnapshotter
from minibuild.snapshots.native import NativeSnapshotter
from minibuild.snapshots.overlay import OverlaySnapshotter

# In order of preference.
TABLE: Mapping[str, type[Snapshotter]] = {
    snapshotter.name: snapshotter
    for snapshotter in (OverlaySnapshotter, BtrfsSnapshotter, DeviceMapperSnapshotter, NativeSnapshotter)
}
