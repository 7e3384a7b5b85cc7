"""The runtimes."""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.runtimes.base import Runtime
from minibuild.runtimes.bubblewrap import Bubblewrap
from minibuild.runtimes.chroot import ChrootRuntime
from minibuild.runtimes.oci import Crun, Runc
from minibuild.runtimes.podman import PodmanRuntime
from minibuild.runtimes.proot import ProotRuntime
from minibuild.runtimes.unshare import UnshareRuntime

# In order of preference.
TABLE: Mapping[str, type[Runtime]] = {
    runtime.name: runtime
    for runtime in (Crun, Runc, Bubblewrap, UnshareRuntime, PodmanRuntime, ChrootRuntime, ProotRuntime)
}

ISOLATING = tuple(name for name, runtime in TABLE.items() if not runtime.shortcomings)
"""The names of those that keep all promises."""
