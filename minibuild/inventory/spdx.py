"""An inventory as an SPDX 2.3 document in JSON, the same bytes for the same image.

Source: https://spdx.github.io/spdx-spec/v2.3/.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import quote

from minibuild.inventory.licences import NOASSERTION, expression
from minibuild.inventory.package import Inventory, Package
from minibuild.oci.digest import Digest
from minibuild.oci.image import Image
from minibuild.oci.times import seconds_of
from minibuild.values import dataclass
from minibuild.version import __version__

PREDICATE_TYPE = "https://spdx.dev/Document"
"""What an in-toto statement calls such a document."""

_DOCUMENT, _IMAGE, _SYSTEM = "SPDXRef-DOCUMENT", "SPDXRef-Image", "SPDXRef-Distribution"
_MOST_PATHS, _LONGEST_STEP = 10, 120

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """The image that a document is about: its name, the digest of its manifest, when it was made (RFC 3339), and for
    each layer, oldest first, its diff_id and the step that made it ("" where nobody says).
    """

    name: str
    digest: Digest
    created: str
    layers: Sequence[tuple[Digest, str]]

    @classmethod
    def of(cls, image: Image, name: str) -> Subject:
        """What the image itself says."""
        steps = [line.created_by.removesuffix(" # buildkit") for line in image.config.history if not line.empty_layer]
        steps += [""] * (len(image.layers) - len(steps))
        layers = [(layer.diff_id, step) for layer, step in zip(image.layers, steps, strict=False)]
        return cls(name, image.digest, image.config.created, layers)


def document(inventory: Inventory, subject: Subject) -> Json:
    """The document: the image, the distribution it is of, and each package."""
    licences: dict[str, str] = {}
    packages = [_package(package, subject, licences) for package in inventory.packages]
    top = [_image(subject), *([_system(inventory)] if inventory.distribution.id else [])]
    contained, name = [*top[1:], *packages], quote(subject.name, safe="")
    result: Json = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": subject.name,
        # Nobody serves it: documents of the same one are the same, and that is all it is for.
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{subject.digest.hex}-minibuild-{__version__}",
        "creationInfo": {"created": _whole_seconds(subject.created), "creators": [f"Tool: minibuild-{__version__}"]},
        "packages": [*top, *packages],
        "relationships": [
            _relationship(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_relationship(_IMAGE, "CONTAINS", package["SPDXID"]) for package in contained),
        ],
    }
    if inventory.unread:
        lines = (f"{unread.path}: {unread.reason}" for unread in inventory.unread)
        result["comment"] = "\n".join(["not read, so packages may be missing:", *lines])
    if licences:
        result["hasExtractedLicensingInfos"] = [
            {"licenseId": name, "name": words, "extractedText": f"the packager calls it: {words}"}
            for name, words in sorted(licences.items())
        ]
    return result


def encode(document: Json) -> bytes:
    """The document as people and programs read it."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def _image(subject: Subject) -> Json:
    name = quote(subject.name.rpartition("/")[2].partition("@")[0].partition(":")[0], safe="")
    return {
        "SPDXID": _IMAGE,
        "name": subject.name,
        "versionInfo": subject.digest,
        "primaryPackagePurpose": "CONTAINER",
        **_nothing_said(),
        "checksums": [{"algorithm": "SHA256", "checksumValue": subject.digest.hex}],
        "externalRefs": [_purl(f"pkg:oci/{name}@{quote(subject.digest, safe=':')}")],
    }


def _system(inventory: Inventory) -> Json:
    said = inventory.distribution
    version = {"versionInfo": said.version} if said.version else {}
    return {
        "SPDXID": _SYSTEM,
        "name": said.id,
        **version,
        "primaryPackagePurpose": "OPERATING-SYSTEM",
        **({"summary": said.name} if said.name else {}),
        **_nothing_said(),
    }


def _package(package: Package, subject: Subject, licences: dict[str, str]) -> Json:
    """``licences`` gets the names of those that aren't SPDX's own."""
    declared, names = expression(package.licence)
    licences.update(names)
    name = f"{package.namespace}/{package.name}" if package.kind in ("npm", "golang", "maven") else package.name
    return {
        "SPDXID": _identifier(package),
        "name": name.removeprefix("/"),
        **({"versionInfo": package.version} if package.version else {}),
        "sourceInfo": _source(package, subject),
        **_nothing_said(),
        "licenseDeclared": declared,
        "externalRefs": [_purl(package.purl)],
    }


def _source(package: Package, subject: Subject) -> str:
    """The files that tell of a package, and which layer brought it."""
    more = len(package.paths) - _MOST_PATHS
    paths = ", ".join(package.paths[:_MOST_PATHS]) + (f" and {more} more" if more > 0 else "")
    diff_id, step = subject.layers[package.layer]
    words = " ".join(step.split())
    said = f": {words}" if len(words) <= _LONGEST_STEP else f": {words[: _LONGEST_STEP - 1]}…"
    return f"{paths}; layer {package.layer + 1} of {len(subject.layers)}, {diff_id}{said if words else ''}"


def _identifier(package: Package) -> str:
    plain = re.sub(r"[^a-zA-Z0-9.-]+", "-", package.name)[:64]
    return f"SPDXRef-{package.kind}-{plain}-{hashlib.sha256(package.purl.encode()).hexdigest()[:16]}"


def _nothing_said() -> Json:
    return {
        "downloadLocation": NOASSERTION,
        "filesAnalyzed": False,
        "licenseConcluded": NOASSERTION,
        "licenseDeclared": NOASSERTION,
        "copyrightText": NOASSERTION,
    }


def _purl(purl: str) -> Json:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}


def _relationship(one: str, kind: str, other: str) -> Json:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _whole_seconds(created: str) -> str:
    """The time as SPDX has it: in UTC, without fractions; the first of times where there is none."""
    return datetime.fromtimestamp(seconds_of(created), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
