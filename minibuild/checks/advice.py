"""The rules that ``minibuild check`` alone tells of: what experienced people advise."""

from __future__ import annotations

from collections.abc import Iterator

from minibuild.checks import context, layers, packages, processes, secrets
from minibuild.checks.portability import PORTABILITY
from minibuild.checks.subject import Check, Subject
from minibuild.checks.table import CHECKS
from minibuild.checks.wishes import unknown_names
from minibuild.errors import Finding


def _unknown_rules(subject: Subject) -> Iterator[Finding]:
    """UnknownRule knows all tables, so it stands above them."""
    return unknown_names(subject.dockerfile, [check.rule for check in (*CHECKS, *ADVICE, *PORTABILITY.values())])


# In alphabetical order.
ADVICE = (
    Check("AddForCopy", "what is neither downloaded nor unpacked is copied by COPY", context.adds_that_copy, "advice"),
    Check("ChownDoublesLayer", "COPY --chown and --chmod, not a RUN after it", layers.doubled_layers, "advice"),
    Check("ManyLayers", "RUNs that follow one another are one", layers.many_layers, "advice"),
    Check("NoDockerignore", "a big context has an ignore file", context.missing_ignore_files, "advice"),
    Check("OrderBreaksCache", "dependencies are installed before all files are copied", layers.broken_order, "advice"),
    Check("PackageCacheKept", "no downloads of package managers stay in a layer", packages.kept_caches, "advice"),
    Check("RunsAsRoot", "what an image runs is not root", processes.root_at_the_end, "advice"),
    Check("SecretsInLayers", "no file or word that is a secret gets into a layer", secrets.secrets_in_layers, "advice"),
    Check("SeveralServices", "a container runs one service, or a supervisor", processes.several_services, "advice"),
    Check("StaleIndex", "lists of packages are fetched in the RUN that installs", packages.stale_indices, "advice"),
    Check("UnknownRule", "the rules that comments skip are rules", _unknown_rules, "advice"),
    Check("UnpinnedInstall", "packages are installed in a version that is named", packages.unpinned_installs, "advice"),
)
