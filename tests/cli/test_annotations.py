"""Annotations: read as buildx reads them, said in the manifest, and no part of the image's ID."""

from __future__ import annotations

import pytest

from minibuild.cli.annotations import annotations_of
from minibuild.errors import UsageError
from minibuild.oci import Digest, Image, Layer, Platform
from minibuild.oci.image import parse_manifest

AMD64 = Platform("linux", "amd64")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a=b"], {"a": "b"}),
        (["a=b", "a=c=d"], {"a": "c=d"}),
        (["org.opencontainers.image.url=https://a/b"], {"org.opencontainers.image.url": "https://a/b"}),
        (["manifest:a=b"], {"a": "b"}),
        (["manifest[linux/amd64]:a=b", "manifest[linux/arm64]:c=d"], {"a": "b"}),
        (["a="], {"a": ""}),
    ],
)
def test_an_annotation_is_said_of_the_manifest(words: list[str], said: dict[str, str]) -> None:
    assert annotations_of(words, AMD64) == said


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("a", "wants [TYPE[PLATFORM]:]KEY=VALUE"),
        ("=b", "wants [TYPE[PLATFORM]:]KEY=VALUE"),
        ("manifst:a=b", "has 'manifst' for a type"),
        ("index:a=b", "makes no index to say it of"),
        ("manifest,index:a=b", "makes no index to say it of"),
    ],
)
def test_what_cannot_be_said_is_refused(word: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        annotations_of([word], AMD64)
    assert complaint in caught.value.message


def test_an_image_keeps_its_id_and_its_annotations_whatever_its_layers_are_packed_in() -> None:
    image = Image.scratch(AMD64).annotated({"a": "b"}).annotated({"c": "d"})
    assert parse_manifest(image.raw_manifest)["annotations"] == {"a": "b", "c": "d"}
    assert image.id == Image.scratch(AMD64).id
    assert image.digest != Image.scratch(AMD64).digest
    assert image.with_layers([Layer.of_tar(Digest.of(b""), 0)]).annotations == {"a": "b", "c": "d"}
