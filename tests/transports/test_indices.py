"""An index of several platforms' images: under one name in the store, and in every place that takes it."""

from __future__ import annotations

import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from minibuild.errors import ImageError, UsageError
from minibuild.events import silent
from minibuild.layers.compressing import Compression
from minibuild.oci import Descriptor, Digest, Image, ImageIndex, MediaType, Platform, Reference
from minibuild.oci.artifact import Artifact
from minibuild.oci.index import REFERENCE_DIGEST, listed_attestation
from minibuild.store import Store
from minibuild.store.collect import collect
from minibuild.transports.docker_archive import DockerArchive
from minibuild.transports.docker_daemon import DockerDaemon
from minibuild.transports.local import LocalDirectory
from minibuild.transports.oci_layout import OciLayout
from minibuild.transports.pushing import Pushing
from minibuild.transports.registry import Registry
from minibuild.transports.tar import TarFile
from tests.servers.registry import RegistryServer
from tests.transports.conftest import APP, LINUX, SECOND, file, image_of

ARM = Platform("linux", "arm", "v7")


@pytest.fixture
def index(store: Store) -> ImageIndex:
    """Images for two platforms, each with a file of its own, named app:1 in the store."""
    images = []
    for platform in (LINUX, ARM):
        made = image_of(store, [file("common", b"c")], [file("own", str(platform).encode())])
        images.append(Image.compose(replace(made.config, platform=platform), made.layers))
    index = ImageIndex.of(images, {"a": "b"})
    store.put_image(index)
    store.images.tag(APP, index)
    return index


def test_a_name_gives_each_platform_its_image(store: Store, index: ImageIndex) -> None:
    assert store.images.find_any(APP) == index
    assert [store.images.find(APP, platform) for platform in (LINUX, ARM)] == list(index.images)
    assert store.images.find(APP, Platform("linux", "s390x")) is None


def test_the_images_of_an_index_are_found_by_their_digests(store: Store, index: ImageIndex) -> None:
    for found in (index, *index.images):
        assert store.images.find_any(APP.with_digest(found.digest)) == found
        assert store.images.by_id(found.digest) == found


def test_images_that_had_no_name_are_listed_as_part_of_the_index_alone(store: Store, index: ImageIndex) -> None:
    store.images.untag(APP)
    for image in index.images:
        store.images.keep(image)
    store.images.keep(index, [SECOND])
    assert store.images.listed() == ((SECOND, index),)


def test_collecting_keeps_what_a_named_index_needs_and_nothing_of_one_that_is_gone(
    store: Store, index: ImageIndex
) -> None:
    collect(store)
    assert all(layer.descriptor.digest in store.blobs for image in index.images for layer in image.layers)
    store.images.untag(APP)
    collect(store)
    assert list(store.blobs) == []


def test_other_layers_change_what_an_index_lists_and_nothing_that_it_says(store: Store, index: ImageIndex) -> None:
    packed = store.repacked(index, Compression("gzip"))
    assert isinstance(packed, ImageIndex)
    assert [image.id for image in packed.images] == [image.id for image in index.images]
    assert [item.digest for item in packed.manifests] == [image.digest for image in packed.images]
    assert (packed.annotations, packed.platforms) == (index.annotations, index.platforms)


@pytest.mark.parametrize("place", ["archive.tar", "layout"])
def test_layouts_give_each_platform_its_image_back(tmp_path: Path, store: Store, index: ImageIndex, place: str) -> None:
    transport = (DockerArchive if place.endswith(".tar") else OciLayout)(tmp_path / place)
    transport.export(index, [APP], store, silent)
    assert [transport.resolve(APP, platform) for platform in (LINUX, ARM)] == list(index.images)


@pytest.mark.parametrize("place", ["archive.tar", "layout"])
def test_layouts_give_all_back_that_they_have(tmp_path: Path, store: Store, attested: ImageIndex, place: str) -> None:
    transport = (DockerArchive if place.endswith(".tar") else OciLayout)(tmp_path / place)
    transport.export(attested, [APP], store, silent)
    assert list(transport.images(None)) == [((APP,), attested)]


def test_of_an_index_a_layout_gives_what_is_there(tmp_path: Path, store: Store, index: ImageIndex) -> None:
    layout = OciLayout(tmp_path / "layout")
    layout.export(index, [APP], store, silent)
    (tmp_path / "layout/blobs/sha256" / index.images[1].digest.hex).unlink()
    assert list(layout.images(None)) == [((APP,), index.images[0])]


def test_an_archive_of_several_platforms_is_no_archive_of_dockers(
    tmp_path: Path, store: Store, index: ImageIndex
) -> None:
    DockerArchive(tmp_path / "app.tar").export(index, [APP], store, silent)
    with tarfile.open(tmp_path / "app.tar") as archive:
        assert "manifest.json" not in archive.getnames()
        [entry] = json.load(archive.extractfile("index.json"))["manifests"]  # type: ignore[arg-type]
    assert (entry["digest"], entry["mediaType"]) == (index.digest, index.media_type)


def test_trees_stand_in_directories_that_platforms_name(tmp_path: Path, store: Store, index: ImageIndex) -> None:
    LocalDirectory(tmp_path / "out").export(index, [], store, silent)
    TarFile(tmp_path / "out.tar").export(index, [], store, silent)
    assert (tmp_path / "out/linux_arm_v7/own").read_text() == "linux/arm/v7"
    with tarfile.open(tmp_path / "out.tar") as tree:
        assert [name for name in tree.getnames() if "/" in name] == [
            f"{platform}/{name}" for platform in ("linux_amd64", "linux_arm_v7") for name in ("common", "own")
        ]


@pytest.fixture
def attested(store: Store, index: ImageIndex) -> ImageIndex:
    """The same, and something said of its first image."""
    statement = b'{"predicateType": "a"}'
    blob = Descriptor("application/vnd.in-toto+json", store.blobs.add(statement), len(statement))
    attestation = Artifact.compose(MediaType.CONFIG, b"{}", [blob])
    entries = [*index.entries, listed_attestation(attestation, index.images[0]).encode()]
    attested = replace(ImageIndex.compose(index.images, entries), attached=(attestation,))
    store.put_image(attested)
    store.images.tag(APP, attested)
    return attested


def test_what_is_attached_to_an_index_is_no_image_of_it(store: Store, attested: ImageIndex) -> None:
    assert store.images.find_any(APP) == attested
    assert attested.platforms == ("linux/amd64", "linux/arm/v7")
    assert attested.image_for(Platform("unknown", "unknown")) is None


@pytest.mark.parametrize("place", ["archive.tar", "layout"])
def test_what_is_attached_goes_with_the_index(tmp_path: Path, store: Store, attested: ImageIndex, place: str) -> None:
    transport = (DockerArchive if place.endswith(".tar") else OciLayout)(tmp_path / place)
    transport.export(attested, [APP], store, silent)
    for digest in (attested.attached[0].digest, attested.attached[0].blobs[0].digest):
        assert has_blob(tmp_path / place, digest)


def test_a_registry_gives_the_whole_index_back(store: Store, attested: ImageIndex) -> None:
    with RegistryServer() as server, Registry({}, {}) as registry:
        name = Reference.parse(f"{server.host}/app:1")
        Pushing({}).export(attested, [name], store, silent)
        assert registry.whole(name) == attested
        assert registry.document(name) == attested.raw
        assert registry.whole(name.with_digest(attested.images[0].digest)) == attested.images[0]


def test_an_index_that_lists_what_is_not_here_goes_to_no_registry(store: Store, index: ImageIndex) -> None:
    partial = replace(index, images=index.images[:1])
    with RegistryServer() as server:
        with pytest.raises(ImageError, match="lacks images that the index lists: linux/arm/v7"):
            Pushing({}).export(partial, [Reference.parse(f"{server.host}/app:1")], store, silent)
        assert not server.requests


def test_other_layers_change_what_an_attestation_is_about(store: Store, attested: ImageIndex) -> None:
    packed = store.repacked(attested, Compression("gzip"))
    assert isinstance(packed, ImageIndex) and packed.attached == attested.attached
    assert packed.manifests[-1].annotations[REFERENCE_DIGEST] == packed.images[0].digest


def has_blob(place: Path, digest: Digest) -> bool:
    """An archive or a layout has it."""
    if place.is_dir():
        return (place / "blobs/sha256" / digest.hex).is_file()
    with tarfile.open(place) as archive:
        return f"blobs/sha256/{digest.hex}" in archive.getnames()


def test_a_docker_daemon_takes_one_platform_only(store: Store, index: ImageIndex) -> None:
    with pytest.raises(UsageError, match="takes one platform's image, not several"):
        DockerDaemon({}).export(index, [APP], store, silent)
