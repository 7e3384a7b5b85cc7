"""The document is one that other readers of SPDX take, and the same for the same image."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from minibuild.inventory import Distribution, Inventory, Package, Unread
from minibuild.inventory.spdx import Subject, document, encode
from minibuild.oci import Digest, History, Image, ImageConfig, Layer, Platform

LAYERS = (Digest.of(b"base"), Digest.of(b"app"))
SUBJECT = Subject(
    "registry.example/team/app:1",
    Digest.of(b"manifest"),
    "2024-01-02T03:04:05.678+01:00",
    [(LAYERS[0], ""), (LAYERS[1], "RUN apt-get install bash")],
)
INVENTORY = Inventory(
    (
        Package("deb", "bash", "5.2", "debian", {"arch": "amd64"}, "GPL-3+ AND BSD", ("/var/lib/dpkg/status",), 1),
        Package("golang", "app", "", "example.org", paths=tuple(f"/bin/{n}" for n in range(12))),
    ),
    Distribution("debian", "12", "Debian GNU/Linux 12"),
    (Unread("/var/lib/rpm/Packages", "it is a BerkeleyDB"),),
)

texts = st.text(max_size=20)
packages = st.builds(
    Package,
    st.sampled_from(["deb", "npm", "golang", "pypi"]),
    st.text(min_size=1, max_size=20),
    texts,
    texts,
    st.dictionaries(st.sampled_from(["arch", "distro"]), texts),
    st.text(alphabet="MIT andorGPL-2+()", max_size=30),
    st.tuples(texts),
    st.integers(0, 1),
)


def problems(raw: bytes, directory: Path) -> list[str]:
    """What the SPDX project's own reader has against a document."""
    file = directory / "document.spdx.json"
    file.write_bytes(raw)
    return [message.validation_message for message in validate_full_spdx_document(parse_file(str(file)))]


def test_the_projects_own_reader_takes_a_document(tmp_path: Path) -> None:
    assert problems(encode(document(INVENTORY, SUBJECT)), tmp_path) == []


def test_a_name_of_slashes_alone_is_a_name_all_the_same() -> None:
    assert Package("deb", "//", "1").purl == "pkg:deb/%2F%2F@1"


@settings(deadline=None, max_examples=30)
@given(found=st.lists(packages, max_size=4, unique_by=lambda package: package.purl))
def test_the_projects_own_reader_takes_documents_of_whatever_packages_say(
    tmp_path_factory: pytest.TempPathFactory, found: list[Package]
) -> None:
    raw = encode(document(Inventory(tuple(found)), SUBJECT))
    assert problems(raw, tmp_path_factory.mktemp("spdx")) == []


def test_a_document_says_what_it_is_about_and_when() -> None:
    made = document(INVENTORY, SUBJECT)
    image, system, *_ = made["packages"]
    assert made["creationInfo"]["created"] == "2024-01-02T02:04:05Z"
    assert made["documentNamespace"].startswith("https://spdx.org/spdxdocs/registry.example%2Fteam%2Fapp%3A1-")
    assert (image["name"], image["versionInfo"]) == ("registry.example/team/app:1", SUBJECT.digest)
    assert image["externalRefs"][0]["referenceLocator"] == f"pkg:oci/app@{SUBJECT.digest}"
    assert (system["name"], system["versionInfo"]) == ("debian", "12")


def test_a_document_says_of_each_package_where_it_stands_and_which_step_brought_it() -> None:
    bash, app = document(INVENTORY, SUBJECT)["packages"][2:]
    assert bash["sourceInfo"] == f"/var/lib/dpkg/status; layer 2 of 2, {LAYERS[1]}: RUN apt-get install bash"
    assert app["sourceInfo"].endswith(f"/bin/9 and 2 more; layer 1 of 2, {LAYERS[0]}")
    assert (bash["licenseDeclared"], app["name"], "versionInfo" in app) == (
        "GPL-3.0-or-later AND LicenseRef-BSD",
        "example.org/app",
        False,
    )


def test_a_document_says_what_could_not_be_read() -> None:
    comment = "not read, so packages may be missing:\n/var/lib/rpm/Packages: it is a BerkeleyDB"
    assert document(INVENTORY, SUBJECT)["comment"] == comment
    assert "comment" not in document(Inventory(()), SUBJECT)


def test_the_same_image_gives_the_same_document() -> None:
    raw = encode(document(INVENTORY, SUBJECT))
    assert raw == encode(document(INVENTORY, SUBJECT))
    assert json.loads(raw) == document(INVENTORY, SUBJECT)


def test_the_subject_is_what_an_image_says_of_its_layers() -> None:
    history = (History(created_by="ADD base"), History(created_by="ENV a=b", empty_layer=True))
    config = ImageConfig(Platform("linux", "amd64"), history=history, created="2024-01-02T03:04:05Z")
    layers = [Layer.of_tar(digest, 1) for digest in LAYERS]
    image = Image.compose(config, layers)
    expected = [(LAYERS[0], "ADD base"), (LAYERS[1], "")]
    assert Subject.of(image, "app") == Subject("app", image.digest, "2024-01-02T03:04:05Z", expected)
