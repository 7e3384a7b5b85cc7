"""Java's libraries: what Maven writes into every archive that it makes."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

from minibuild.inventory.evidence import Evidence
from minibuild.inventory.package import Package
from minibuild.layers.entry import Entry

_SUFFIXES = (".jar", ".war", ".ear")
_LARGEST = 4 << 30
_LARGEST_PROPERTIES = 1 << 16


def tells(entry: Entry) -> bool:
    """It is a Java archive."""
    return entry.path.endswith(_SUFFIXES)


def read(evidence: Evidence) -> Iterator[Package]:
    """Each pom.properties; archives in archives aren't opened."""
    with evidence.open(_LARGEST) as content, zipfile.ZipFile(content) as archive:
        for item in archive.infolist():
            if not item.filename.endswith("/pom.properties"):
                continue
            with archive.open(item) as properties:
                text = properties.read(_LARGEST_PROPERTIES).decode("utf-8", "replace")
            fields = dict(line.strip().partition("=")[::2] for line in text.split("\n"))
            group, name, version = (fields.get(key, "") for key in ("groupId", "artifactId", "version"))
            if name and version:
                yield Package("maven", name, version, group)
