"""Which manifest of an index a platform gets."""

from __future__ import annotations

import pytest

from minibuild.errors import ImageError
from minibuild.oci import Descriptor, Digest, MediaType, Platform
from minibuild.oci.index import choose, parse_index, runs_on


def manifests(*platforms: str) -> list[Descriptor]:
    """One manifest a platform, written ``os/architecture[/variant]`` as an index has it; "" says none."""
    return [
        Descriptor(
            MediaType.MANIFEST, Digest.of(bytes([number])), 1, platform=Platform(*text.split("/")) if text else None
        )
        for number, text in enumerate(platforms)
    ]


@pytest.mark.parametrize(
    ("wanted", "offered", "chosen"),
    [
        ("linux/amd64", ("linux/arm64/v8", "linux/amd64"), 1),
        ("linux/arm64", ("linux/amd64", "linux/arm64/v8"), 1),
        ("linux/arm64", ("linux/amd64", "linux/arm64"), 1),
        ("linux/arm/v7", ("linux/arm/v5", "linux/arm/v6"), 1),
        ("linux/arm/v7", ("linux/arm/v5", "linux/arm/v7", "linux/arm/v6"), 1),
        ("linux/arm/v6", ("linux/arm/v7", "linux/arm/v5"), 1),
        ("linux/arm/v7", ("linux/arm/v6", "linux/arm"), 1),
        ("linux/amd64/v3", ("linux/amd64", "linux/amd64/v2", "linux/amd64/v4"), 1),
        ("linux/amd64", ("linux/amd64/v2", "linux/amd64/v1"), 1),
        ("linux/arm64/v8.2", ("linux/arm64", "linux/arm64/v8.1", "linux/arm64/v9"), 1),
        ("linux/arm64/v9", ("linux/arm64/v8.6", "linux/arm64/v8.5"), 1),
        ("linux/amd64", ("windows/amd64", "linux/amd64", "linux/amd64"), 1),
        ("linux/amd64", ("unknown/unknown", "linux/amd64"), 1),
        ("linux/s390x", ("",), 0),
    ],
)
def test_a_platform_gets_what_it_runs_best(wanted: str, offered: tuple[str, ...], chosen: int) -> None:
    listed = manifests(*offered)
    assert choose(listed, Platform.parse(wanted)) == listed[chosen]


@pytest.mark.parametrize(
    ("wanted", "offered"),
    [
        ("linux/amd64", ("linux/386", "linux/arm64")),
        ("linux/arm64", ("linux/arm/v7",)),
        ("linux/arm/v6", ("linux/arm/v7",)),
        ("linux/amd64", ("linux/amd64/v2",)),
        ("linux/amd64", ("unknown/unknown",)),
        ("linux/amd64", ("", "")),
        ("linux/amd64", ()),
    ],
)
def test_a_platform_that_is_not_there_gets_none(wanted: str, offered: tuple[str, ...]) -> None:
    assert choose(manifests(*offered), Platform.parse(wanted)) is None


def test_what_is_no_manifest_is_never_chosen() -> None:
    helm_chart = Descriptor(
        "application/vnd.cncf.helm.config.v1+json", Digest.of(b""), 1, platform=Platform("linux", "amd64")
    )
    assert choose([helm_chart], Platform("linux", "amd64")) is None


def test_an_index_is_read_in_its_order() -> None:
    raw = b'{"schemaVersion":2,"manifests":[%s,%s]}' % tuple(
        b'{"mediaType":"m","size":%d,"digest":"%s"}' % (size, Digest.of(b"").encode()) for size in (1, 2)
    )
    assert [descriptor.size for descriptor in parse_index(raw)] == [1, 2]


@pytest.mark.parametrize("raw", [b'{"schemaVersion":2}', b'{"schemaVersion":2,"manifests":[1]}', b"[", b"{}"])
def test_what_lists_no_manifests_is_refused(raw: bytes) -> None:
    with pytest.raises(ImageError):
        parse_index(raw)


@pytest.mark.parametrize(
    ("offered", "wanted", "does"),
    [
        ("linux/arm64/v8", "linux/arm64", True),
        ("linux/arm64", "linux/arm64", True),
        ("linux/arm/v6", "linux/arm/v7", True),
        ("linux/arm/v7", "linux/arm/v6", False),
        ("linux/amd64", "linux/arm64", False),
    ],
)
def test_the_image_of_a_usual_variant_runs_where_none_is_named(offered: str, wanted: str, does: bool) -> None:
    assert runs_on(Platform(*offered.split("/")), Platform(*wanted.split("/"))) is does
