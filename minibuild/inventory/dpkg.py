"""Debian's packages: the database of dpkg, and the one file a package that distroless images have in its place.

Source: deb-control(5), dpkg(1) §Package states; https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from minibuild.errors import ImageError
from minibuild.inventory.evidence import LARGEST_DATABASE, Evidence, paragraphs
from minibuild.inventory.package import Package
from minibuild.layers.entry import Entry
from minibuild.layers.tree import Tree

_FIELDS = ("Package", "Version", "Architecture", "Status", "Source")
_LARGEST_COPYRIGHT = 1 << 20
# Absent on disk: never unpacked, or removed (its configuration may be left).
_GONE = ("not-installed", "config-files")
_LICENCE = re.compile(rb"^License:[ \t]*(\S[^\n]*)", re.MULTILINE)
_MACHINE_READABLE = re.compile(rb"\s*Format(-Specification)?:", re.IGNORECASE)


def tells(entry: Entry) -> bool:
    """It is dpkg's database, or a file of a package in it."""
    path = entry.path
    if not path.startswith("var/lib/dpkg/status"):
        return False
    return path == "var/lib/dpkg/status" or (entry.parent == "var/lib/dpkg/status.d" and not path.endswith(".md5sums"))


def read(evidence: Evidence) -> Iterator[Package]:
    """The packages that are on disk, configured or not."""
    with evidence.open(LARGEST_DATABASE) as content:
        for fields in paragraphs(content, _FIELDS):
            name, version = fields["Package"], fields["Version"]
            if not name or not version or fields["Status"].rpartition(" ")[2] in _GONE:
                continue
            upstream = _upstream(fields["Source"])
            yield evidence.package("deb", name, version, arch=fields["Architecture"], upstream=upstream)


def _upstream(source: str) -> str:
    """``gcc-12 (12.2.0-14)`` as ``gcc-12@12.2.0-14``: what advisories are about where it isn't the package itself."""
    found = re.fullmatch(r"(\S+)(?:\s+\((\S+)\))?", source)
    return f"{found[1]}@{found[2]}" if found and found[2] else found[1] if found else ""


def copyright_of(package: Package) -> str:
    """Where the package's licences are told."""
    return f"usr/share/doc/{package.name}/copyright"


def licence_in(tree: Tree, path: str) -> str:
    """The short names in a copyright file that is for machines, all of which may apply to some of the files; "" in
    others.
    """
    try:
        text = tree.read(path, _LARGEST_COPYRIGHT) or b""
    except ImageError:
        return ""
    if not _MACHINE_READABLE.match(text):
        return ""
    words = {found.decode("utf-8", "replace").strip() for found in _LICENCE.findall(text)}
    return " AND ".join(f"({word})" if re.search(r"\s(and|or)\s", word) else word for word in sorted(words))
