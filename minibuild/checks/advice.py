"""The rules that ``minibuild check`` alone tells of: what experienced people advise."""

from __future__ import annotations

from minibuild.checks import layers, packages
from minibuild.checks.subject import Check

# In alphabetical order.
ADVICE = (
    Check("ChownDoublesLayer", "COPY --chown and --chmod, not a RUN after it", layers.doubled_layers, "advice"),
    Check("ManyLayers", "RUNs that follow one another are one", layers.many_layers, "advice"),
    Check("OrderBreaksCache", "dependencies are installed before all files are copied", layers.broken_order, "advice"),
    Check("PackageCacheKept", "no downloads of package managers stay in a layer", packages.kept_caches, "advice"),
    Check("StaleIndex", "lists of packages are fetched in the RUN that installs", packages.stale_indices, "advice"),
    Check("UnpinnedInstall", "packages are installed in a version that is named", packages.unpinned_installs, "advice"),
)
