"""The runtimes."""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.runtimes.base import Runtime
from minibuild.runtimes.bubblewrap import Bubblewrap
from minibuild.runtimes.oci import Crun, Runc
from minibuild.runtimes.unshare import UnshareRuntime

# In order of preference.
TABLE: Mapping[str, type[Runtime]] = {runtime.name: runtime for runtime in (Crun, Runc, Bubblewrap, UnshareRuntime)}
