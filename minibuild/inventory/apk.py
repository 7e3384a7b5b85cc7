"""Alpine's packages: the database of apk.

Source: https://wiki.alpinelinux.org/wiki/Apk_spec.
"""

from __future__ import annotations

from collections.abc import Iterator

from minibuild.inventory.evidence import LARGEST_DATABASE, Evidence, paragraphs
from minibuild.inventory.package import Package
from minibuild.layers.entry import Entry

_DATABASES = ("lib/apk/db/installed", "usr/lib/apk/db/installed")
_FIELDS = ("P", "V", "A", "L", "o")


def tells(entry: Entry) -> bool:
    """It is apk's database."""
    return entry.path in _DATABASES


def read(evidence: Evidence) -> Iterator[Package]:
    """The packages that are installed."""
    with evidence.open(LARGEST_DATABASE) as content:
        for fields in paragraphs(content, _FIELDS):
            name, version, origin = fields["P"], fields["V"], fields["o"]
            if name and version:
                upstream = origin if origin != name else ""
                yield evidence.package("apk", name, version, fields["L"], arch=fields["A"], upstream=upstream)
