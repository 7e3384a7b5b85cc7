"""Python's distributions: the metadata that pip, and whoever else installs them, leaves beside them.

Source: https://packaging.python.org/en/latest/specifications/core-metadata/.
"""

from __future__ import annotations

from collections.abc import Iterator

from minibuild.errors import ImageError
from minibuild.inventory.evidence import LARGEST_DOCUMENT, Evidence, paragraphs
from minibuild.inventory.package import Package
from minibuild.layers.entry import Entry

_FIELDS = ("Name", "Version", "License", "License-Expression", "Classifier")
_CLASSIFIER = "License :: OSI Approved :: "


def tells(entry: Entry) -> bool:
    """It is the metadata of a distribution."""
    path = entry.path
    return path.endswith((".dist-info/METADATA", ".egg-info/PKG-INFO", ".egg-info"))


def read(evidence: Evidence) -> Iterator[Package]:
    """The one distribution that the metadata is of."""
    with evidence.open(LARGEST_DOCUMENT) as content:
        fields = next(paragraphs(content, _FIELDS), None)
    if not fields or not fields["Name"] or not fields["Version"]:
        raise ImageError("it has no Name and Version")
    yield Package("pypi", fields["Name"].split("\n")[0], fields["Version"].split("\n")[0], licence=_licence(fields))


def _licence(fields: dict[str, str]) -> str:
    """The expression, else the free words where they are a name and not a whole text, else what it is classified as."""
    if fields["License-Expression"]:
        return fields["License-Expression"]
    words = fields["License"]
    if words and words.upper() != "UNKNOWN" and "\n" not in words:
        return words
    classes = [line.removeprefix(_CLASSIFIER) for line in fields["Classifier"].split("\n") if _CLASSIFIER in line]
    return classes[0] if len(classes) == 1 else ""
