"""Node's packages: every package.json that names itself.

Source: https://docs.npmjs.com/cli/configuring-npm/package-json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from minibuild.inventory.evidence import Evidence
from minibuild.inventory.package import Package
from minibuild.layers.entry import Entry


def tells(entry: Entry) -> bool:
    """It is a package.json."""
    return entry.path.endswith("/package.json") or entry.path == "package.json"


def read(evidence: Evidence) -> Iterator[Package]:
    """The package that the file is about, if it has a name and a version: many only say how to read the files beside
    them.
    """
    document = json.loads(evidence.read().decode("utf-8-sig", "replace"))
    if not isinstance(document, dict):
        return
    name, version = document.get("name"), document.get("version")
    if isinstance(name, str) and isinstance(version, str) and name and version:
        scope, _, rest = name.rpartition("/")
        yield Package("npm", rest, version, scope, licence=_licence(document))


def _licence(document: dict[str, object]) -> str:
    """``license`` as a text, or as the object or the list of objects that it was in old times."""
    said = document.get("license") or document.get("licenses")
    several = said if isinstance(said, list) else [said]
    words = [str(one.get("type") or "") if isinstance(one, dict) else one for one in several]
    return " OR ".join(word for word in words if isinstance(word, str) and word)
