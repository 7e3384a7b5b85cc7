"""What other builders would drop, refuse or do otherwise: data, one table of rows a tool, and one rule a tool.

A row names a feature of ``features``, where it is found in a Dockerfile. A new tool is a file with its rows and a line
in ``TOOLS``; a new feature is a line in ``features``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from minibuild.checks.portability import docker, kaniko, legacy, podman
from minibuild.checks.portability.features import FEATURES
from minibuild.checks.portability.rows import Row
from minibuild.checks.subject import Check, Subject
from minibuild.errors import Finding

# In alphabetical order.
TOOLS: Mapping[str, Sequence[Row]] = MappingProxyType(
    {"docker": docker.ROWS, "kaniko": kaniko.ROWS, "legacy": legacy.ROWS, "podman": podman.ROWS}
)

_NAMES = {"legacy": "docker's classic builder"}
_SENTENCES = {
    "dropped": "{tool} ignores {feature}: {why}",
    "refused": "{tool} refuses {feature}: {why}",
    "different": "{tool} takes {feature} otherwise: {why}",
}


def _strangers(tool: str, subject: Subject) -> Iterator[Finding]:
    """What a tool doesn't do as minibuild does, each at the word that asks for it."""
    for row in TOOLS[tool]:
        if row.version and docker.knows(row.version, subject.dockerfile.directives.get("syntax")):
            continue
        for span in FEATURES[row.feature](subject):
            name = _NAMES.get(tool, tool)
            message = _SENTENCES[row.verdict].format(tool=name, feature=row.feature, why=row.explanation)
            yield Finding(f"PortableTo{tool.capitalize()}", message, span, row.remedy)


PORTABILITY: Mapping[str, Check] = MappingProxyType(
    {
        tool: Check(
            f"PortableTo{tool.capitalize()}",
            f"{_NAMES.get(tool, tool)} builds the same from the Dockerfile",
            partial(_strangers, tool),
            "portability",
        )
        for tool in TOOLS
    }
)
"""Tool → its rule, which is asked only where the tool is named."""
