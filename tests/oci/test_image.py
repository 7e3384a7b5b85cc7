"""Manifests that don't follow their specification."""

from __future__ import annotations

import json
from typing import Any

import pytest

from minibuild.errors import ImageError
from minibuild.oci import ContainerConfig, Descriptor, Digest, Image, ImageConfig, Platform

BLOB = {"mediaType": "text/plain", "digest": Digest.of(b""), "size": 0}


@pytest.mark.parametrize(
    "changes",
    [
        {"size": -1},
        {"size": "0"},
        {"size": True},
        {"size": None},
        {"digest": None},
        {"digest": "sha256:../../x"},
        {"digest": Digest.of(b"").upper()},
        {"annotations": [1]},
        {"annotations": {"a": 1}},
        {"platform": "linux/amd64"},
        {"platform": {"os": ["linux"]}},
    ],
    ids=json.dumps,
)
def test_a_descriptor_of_other_types_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ImageError):
        Descriptor.parse({**BLOB, **changes})


def test_a_descriptor_survives_the_round_trip() -> None:
    document = {**BLOB, "annotations": {"a": "b"}, "platform": {"architecture": "arm", "os": "linux", "variant": "v7"}}
    assert Descriptor.parse(document).encode() == document
    assert Descriptor.parse(document).platform == Platform("linux", "arm", "v7")


@pytest.mark.parametrize(
    "document",
    [[], {}, {"schemaVersion": 1}, {"schemaVersion": 2, "layers": {"a": 1}}, {"schemaVersion": 2, "layers": [1]}],
    ids=json.dumps,
)
def test_a_manifest_of_another_shape_is_refused(document: object) -> None:
    config = ImageConfig(Platform("linux", "amd64")).encode()
    with pytest.raises(ImageError):
        Image.parse(json.dumps(document).encode(), config)


def test_a_byte_that_is_no_utf_8_becomes_a_replacement_character_lest_nobody_can_read_the_configuration() -> None:
    config = ImageConfig(Platform("linux", "amd64"), ContainerConfig(environment=(("NAME", "caf\udce9"),)))
    assert ImageConfig.parse(config.encode()).config.environment == (("NAME", "caf\ufffd"),)
