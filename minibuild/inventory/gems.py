"""Ruby's gems: the specifications that RubyGems writes of what it installs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from minibuild.errors import ImageError
from minibuild.inventory.evidence import Evidence
from minibuild.inventory.package import Package
from minibuild.layers.entry import Entry

_FIELD = re.compile(
    r"""^[ \t]*\w+\.(name|version|licenses|license)[ \t]*=[ \t]*\[?((?:"[^"\n]*"|'[^'\n]*'|,|[ \t]|\.freeze)+)""", re.M
)
_WORD = re.compile(r""""([^"\n]*)"|'([^'\n]*)'""")


def tells(entry: Entry) -> bool:
    """It is the specification of an installed gem."""
    return entry.path.endswith(".gemspec") and "/specifications/" in entry.path


def read(evidence: Evidence) -> Iterator[Package]:
    """The one gem; the file is a program, of which RubyGems writes these lines in one way."""
    fields: dict[str, list[str]] = {}
    for name, words in _FIELD.findall(evidence.read().decode("utf-8", "replace")):
        fields.setdefault(name, ["".join(pair) for pair in _WORD.findall(words)])
    if not fields.get("name") or not fields.get("version"):
        raise ImageError("it has no name and version")
    licences = fields.get("licenses") or fields.get("license") or []
    yield Package("gem", fields["name"][0], fields["version"][0], licence=" OR ".join(licences))
