"""A package, the distribution it may be of, and all that an image holds.

Source of the names: https://github.com/package-url/purl-spec.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import quote

from minibuild.values import dataclass, field

_NOTHING: Mapping[str, str] = MappingProxyType({})
# What these distributions are called in purls, where that isn't their ID.
_VENDORS: Mapping[str, str] = {"rhel": "redhat"}


@dataclass(frozen=True, slots=True)
class Distribution:
    """What os-release says an image is; all of it is "" where it says nothing."""

    id: str = ""
    version: str = ""
    name: str = ""

    @property
    def vendor(self) -> str:
        """The namespace of its packages."""
        return _VENDORS.get(self.id, self.id)

    @property
    def qualifiers(self) -> Mapping[str, str]:
        """What a purl says of it."""
        return {"distro": "-".join(filter(None, (self.id, self.version)))} if self.id else {}


@dataclass(frozen=True, slots=True)
class Package:
    """A package as its packager named it. ``kind`` is a purl's type.

    ``licence`` is in the packager's words, "" where nobody says; ``paths`` are the files that tell of it; ``layer`` is
    the number of the layer that brought it, the oldest being 0.
    """

    kind: str
    name: str
    version: str
    namespace: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    licence: str = ""
    paths: tuple[str, ...] = ()
    layer: int = 0

    @property
    def purl(self) -> str:
        """What names it everywhere."""
        namespace, name, version = self.namespace, self.name, self.version
        match self.kind:
            case "pypi":
                name = re.sub(r"[-_.]+", "-", name).lower()
            case "rpm":
                version = version.rpartition(":")[2]  # the epoch is a qualifier
            case "golang" if name == "stdlib":
                version = version.removeprefix("go")
        # A name of slashes alone is no path.
        names = [part for part in name.split("/") if part] or [name]
        path = "/".join(_quoted(part) for part in (self.kind, *filter(None, namespace.split("/")), *names))
        said = "&".join(f"{key}={_quoted(value)}" for key, value in sorted(self.qualifiers.items()) if value)
        return f"pkg:{path}{'@' + _quoted(version) if version else ''}{'?' + said if said else ''}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that may tell of packages which the inventory lacks, and why it doesn't."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """All that was found in an image: packages by purl, no two of the same, and what couldn't be read."""

    packages: tuple[Package, ...]
    distribution: Distribution = Distribution()
    unread: tuple[Unread, ...] = ()


def _quoted(text: str) -> str:
    return quote(text, safe="-._~:", errors="replace")
