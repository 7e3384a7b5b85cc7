"""What every place that takes images and gives them must do: export → resolve → the same image, blob for blob."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from minibuild.errors import ImageError, IntegrityError
from minibuild.events import Transferred, silent
from minibuild.oci import Descriptor, Digest, Image, Platform, Reference
from minibuild.store import Store
from minibuild.transports.base import Exporter, ImageSource
from minibuild.transports.docker_archive import DockerArchive
from minibuild.transports.oci_layout import OciLayout
from tests.transports.conftest import APP, LINUX, SECOND, compressed, directory, file, image, image_of, store

__all__ = ["image", "store"]

ARM = Platform("linux", "arm64")


class Transport(ImageSource, Exporter, Protocol):
    """Both ways."""


Make = Callable[[Path], Transport]


def gzipped_archive(path: Path) -> Transport:
    """A docker archive that was gzipped as a whole after it was written."""

    class Gzipped(DockerArchive):
        def export(self, image, names, contents, progress):  # type: ignore[no-untyped-def]
            plain = io.BytesIO()
            DockerArchive(plain).export(image, names, contents, progress)
            path.write_bytes(gzip.compress(plain.getvalue()))

    return Gzipped(path)


TRANSPORTS: Sequence[tuple[str, Make]] = (
    ("archive", lambda path: DockerArchive(path / "image.tar")),
    ("gzipped archive", lambda path: gzipped_archive(path / "image.tar.gz")),
    ("layout", lambda path: OciLayout(path / "layout")),
)


@pytest.fixture(params=[make for _, make in TRANSPORTS], ids=[name for name, _ in TRANSPORTS])
def transport(request: pytest.FixtureRequest, tmp_path: Path) -> Transport:
    make: Make = request.param
    return make(tmp_path)


def content(source: ImageSource, descriptor: Descriptor) -> bytes:
    with source.open(descriptor) as stream:
        return stream.read()


def test_an_image_comes_back_as_it_was(transport: Transport, store: Store, image: Image) -> None:
    transport.export(image, [APP], store, silent)
    assert transport.resolve(APP, LINUX) == image


def test_its_layers_come_back_byte_for_byte(transport: Transport, store: Store, image: Image) -> None:
    transport.export(image, [APP], store, silent)
    found = transport.resolve(APP, LINUX)
    for layer in found.layers:
        assert Digest.of(content(transport, layer.descriptor)) == layer.descriptor.digest


def test_compressed_layers_stay_as_they_are(transport: Transport, store: Store, image: Image) -> None:
    image = compressed(store, image)
    transport.export(image, [APP], store, silent)
    assert transport.resolve(APP, LINUX) == image
    assert content(transport, image.layers[0].descriptor) == content(store, image.layers[0].descriptor)


def test_an_image_of_two_names_is_found_by_both(transport: Transport, store: Store, image: Image) -> None:
    transport.export(image, [APP, SECOND], store, silent)
    assert transport.resolve(APP, LINUX) == transport.resolve(SECOND, LINUX) == image


def test_the_only_image_is_meant_whatever_is_asked_for(transport: Transport, store: Store, image: Image) -> None:
    transport.export(image, [], store, silent)
    assert transport.resolve(Reference.parse("whatever"), LINUX) == image


def test_an_image_without_layers_is_carried(transport: Transport, store: Store) -> None:
    empty = image_of(store, user="nobody")
    transport.export(empty, [APP], store, silent)
    assert transport.resolve(APP, LINUX) == empty


def test_a_layer_that_comes_twice_is_carried(transport: Transport, store: Store) -> None:
    changes = [directory("a"), file("a/b", b"c")]
    twice = image_of(store, changes, changes)
    transport.export(twice, [APP], store, silent)
    assert transport.resolve(APP, LINUX) == twice


def test_another_platform_is_refused_by_both_names(transport: Transport, store: Store, image: Image) -> None:
    transport.export(image, [APP], store, silent)
    with pytest.raises(ImageError, match="linux/amd64, wanted linux/arm64"):
        transport.resolve(APP, ARM)


def test_progress_ends_at_each_layer_s_size(transport: Transport, store: Store, image: Image) -> None:
    events: list[Transferred] = []
    transport.export(image, [APP], store, events.append)  # type: ignore[arg-type]
    last = {event.item: (event.done, event.total) for event in events}
    assert last == {
        layer.descriptor.digest.short: (layer.descriptor.size, layer.descriptor.size) for layer in image.layers
    }


def test_a_damaged_layer_of_the_store_leaves_nothing_half_written(
    transport: Transport, store: Store, image: Image, tmp_path: Path
) -> None:
    path = store.blobs.path(image.layers[1].diff_id)
    path.write_bytes(b"X" + path.read_bytes()[1:])
    with pytest.raises(IntegrityError):
        transport.export(image, [APP], store, silent)
    with pytest.raises(ImageError):
        transport.resolve(APP, LINUX)
    assert not [left for left in tmp_path.iterdir() if left.name.startswith(".")]
