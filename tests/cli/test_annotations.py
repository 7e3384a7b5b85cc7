"""Annotations: read as buildx reads them, said where they were to be said, and no part of the image's ID."""

from __future__ import annotations

import pytest

from minibuild.build.annotations import INDEX, INDEX_DESCRIPTOR, MANIFEST, MANIFEST_DESCRIPTOR, said_of
from minibuild.cli.annotations import annotations_of, check_places
from minibuild.errors import UsageError
from minibuild.oci import Digest, Image, Layer, Platform
from minibuild.oci.image import parse_manifest

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["a=b"], {"a": "b"}),
        (["a=b", "a=c=d"], {"a": "c=d"}),
        (["org.opencontainers.image.url=https://a/b"], {"org.opencontainers.image.url": "https://a/b"}),
        (["manifest:a=b"], {"a": "b"}),
        (["manifest:a:b=c"], {"a:b": "c"}),
        (["manifest[linux/amd64]:a=b", "manifest[linux/arm64]:c=d"], {"a": "b"}),
        (["a=all", "manifest[linux/amd64]:a=own"], {"a": "own"}),
        (["a="], {"a": ""}),
    ],
)
def test_an_annotation_is_said_of_the_manifest(words: list[str], said: dict[str, str]) -> None:
    assert said_of(annotations_of(words), MANIFEST, AMD64) == said


def test_an_annotation_may_be_said_in_several_places() -> None:
    words = ["index,manifest[linux/arm64]:a=b", "index-descriptor:c=d", "manifest-descriptor[arm64]:e=f"]
    said = annotations_of(words)
    assert said_of(said, INDEX) == said_of(said, MANIFEST, ARM64) == {"a": "b"}
    assert (said_of(said, INDEX_DESCRIPTOR), said_of(said, MANIFEST_DESCRIPTOR, ARM64)) == ({"c": "d"}, {"e": "f"})
    assert said_of(said, MANIFEST, AMD64) == said_of(said, MANIFEST_DESCRIPTOR, AMD64) == {}


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("a", "wants [TYPE[PLATFORM]:]KEY=VALUE"),
        ("=b", "wants [TYPE[PLATFORM]:]KEY=VALUE"),
        ("manifest:=b", "wants [TYPE[PLATFORM]:]KEY=VALUE"),
        ("manifst:a=b", "has 'manifst' for a type"),
        (":a=b", "has '' for a type"),
        ("manifest[:a=b", "has 'manifest[' for a type"),
        ("manifest[]:a=b", "'' is no platform"),
        ("index[linux/amd64]:a=b", "an index is of all platforms"),
        ("index:a=b", "index:a=…: a build for one platform makes no index to say it of"),
        ("manifest,index:a=b", "makes no index to say it of"),
    ],
)
def test_what_cannot_be_said_is_refused(word: str, complaint: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_places(annotations_of([word]), makes_index=False)
    assert complaint in caught.value.message


def test_an_image_keeps_its_id_and_its_annotations_whatever_its_layers_are_packed_in() -> None:
    image = Image.scratch(AMD64).annotated({"a": "b"}).annotated({"c": "d"})
    assert parse_manifest(image.raw_manifest)["annotations"] == {"a": "b", "c": "d"}
    assert image.id == Image.scratch(AMD64).id
    assert image.digest != Image.scratch(AMD64).digest
    assert image.with_layers([Layer.of_tar(Digest.of(b""), 0)]).annotations == {"a": "b", "c": "d"}
