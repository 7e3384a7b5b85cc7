"""Statements about images, and the manifests that hold them."""

from __future__ import annotations

import json

import pytest

from minibuild.oci import Descriptor, Digest, Image, Platform, Reference
from minibuild.oci.attestation import (
    IN_TOTO,
    PREDICATE_TYPE,
    SPDX,
    attestation,
    predicate_of,
    purl_of,
    statement,
    statements_in,
    subjects_of,
)

ARM = Platform("linux", "arm64", "v8")


@pytest.mark.parametrize(
    ("name", "purl"),
    [
        ("alpine:3", "pkg:docker/alpine@3?platform=linux%2Farm64%2Fv8"),
        ("registry.example:5000/team/app:1", "pkg:docker/registry.example:5000/team/app@1?platform=linux%2Farm64%2Fv8"),
        (
            f"alpine@sha256:{'a' * 64}",
            f"pkg:docker/alpine?digest=sha256:{'a' * 64}&platform=linux%2Farm64%2Fv8",
        ),
    ],
)
def test_an_image_has_a_package_url_of_dockers_kind(name: str, purl: str) -> None:
    assert purl_of(Reference.parse(name), ARM) == purl


def test_a_statement_says_something_of_an_image_under_each_of_its_names() -> None:
    image = Image.scratch(ARM)
    raw = statement(subjects_of(image, [Reference.parse("a:1"), Reference.parse("b:1")]), SPDX, {"x": 1})
    assert json.loads(raw) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": f"pkg:docker/{name}@1?platform=linux%2Farm64%2Fv8", "digest": {"sha256": image.digest.hex}}
            for name in "ab"
        ],
        "predicateType": SPDX,
        "predicate": {"x": 1},
    }
    assert predicate_of(raw) == {"x": 1}


def test_an_image_without_a_name_is_named_by_its_digest_alone() -> None:
    image = Image.scratch(ARM)
    assert subjects_of(image, []) == [("_", image.digest)]


def test_the_manifest_of_statements_is_one_that_buildkit_writes() -> None:
    made = attestation({SPDX: b"{}"})
    blob = Descriptor(IN_TOTO, Digest.of(b"{}"), 2, {PREDICATE_TYPE: SPDX})
    assert made.blobs == (blob,)
    assert json.loads(made.raw_config) == {
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [blob.digest]},
    }
    assert statements_in(made) == {SPDX: blob}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"predicate": 1}', b"\xff", b"[" * 100_000])
def test_what_is_no_statement_says_nothing(raw: bytes) -> None:
    assert predicate_of(raw) is None
