"""Pushing: what a registry lacks goes there, what it has stays, and names come last."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.errors import RegistryError, UsageError
from minibuild.events import Event, Transferred, silent
from minibuild.layers.compressing import Compression
from minibuild.oci import Image, MediaType, Reference
from minibuild.store import Store
from minibuild.transports.pushing import Pushing
from tests.servers.registry import RegistryServer, refuses
from tests.store.conftest import gzipped_layer, stored_image

TARS = (b"one" * 1000, b"two" * 1000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.at(tmp_path / "store") as opened:
        yield opened


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


def push(store: Store, image: Image, *names: str) -> None:
    Pushing({}).export(image, [Reference.parse(name) for name in names], store, silent)


def test_an_image_arrives_with_all_its_parts(store: Store, server: RegistryServer) -> None:
    image = store.repacked(stored_image(store, "a", *TARS), Compression())
    push(store, image, f"{server.host}/app:1")
    assert server.manifests["app/1"] == (MediaType.MANIFEST, image.raw_manifest)
    assert server.blobs[image.id] == image.raw_config
    layers = [server.blobs[layer["digest"]] for layer in json.loads(image.raw_manifest)["layers"]]
    assert [gzip.decompress(layer) for layer in layers] == list(TARS)


def test_an_image_keeps_its_id_whatever_its_layers_are_packed_in(store: Store) -> None:
    image = stored_image(store, "a", *TARS)
    packed = [store.repacked(image, Compression(form)) for form in ("gzip", "zstd", "uncompressed")]
    assert {one.id for one in packed} == {image.id}
    assert packed[2] == image
    assert store.image(packed[0].digest) == packed[0]


def test_what_a_registry_has_is_not_sent_again(store: Store, server: RegistryServer) -> None:
    image = stored_image(store, "a", *TARS)
    push(store, image, f"{server.host}/app:1")
    sent = len(server.requests)
    push(store, image, f"{server.host}/app:2")
    assert {request.method for request in server.requests[sent:]} == {"HEAD", "PUT"}


def test_an_image_that_is_there_by_that_name_is_asked_for_once(store: Store, server: RegistryServer) -> None:
    image = stored_image(store, "a", *TARS)
    push(store, image, f"{server.host}/app:1")
    sent = len(server.requests)
    push(store, image, f"{server.host}/app:1")
    assert [(one.method, one.path) for one in server.requests[sent:]] == [("HEAD", "/v2/app/manifests/1")]


def test_an_image_that_is_there_by_one_name_gets_the_other(store: Store, server: RegistryServer) -> None:
    image = stored_image(store, "a", *TARS)
    push(store, image, f"{server.host}/app:1")
    sent = len(server.requests)
    push(store, image, f"{server.host}/app:1", f"{server.host}/app:2")
    assert [one.method for one in server.requests[sent:]] == ["HEAD", "HEAD", "PUT"]
    assert server.manifests["app/2"] == server.manifests["app/1"]


def test_a_base_is_mounted_from_where_it_came(store: Store, server: RegistryServer) -> None:
    base = stored_image(store, "base", TARS[0])
    store.images.tag(Reference.parse(f"{server.host}/bases/base:1"), base)
    push(store, base, f"{server.host}/bases/base:1")
    # A real registry has blobs by repository; ours says so of this one.
    server.fail(f"app/blobs/{base.layers[0].descriptor.digest}", refuses(404, "BLOB_UNKNOWN", "not in this repository"))
    push(store, stored_image(store, "app", *TARS), f"{server.host}/app:1")
    assert server.uploads.mounted == [base.layers[0].descriptor.digest]


def test_what_was_compressed_for_one_repository_is_mounted_in_another(store: Store, server: RegistryServer) -> None:
    image = stored_image(store, "a", TARS[0])
    store.images.tag(Reference.parse(f"{server.host}/one:1"), image)
    packed = store.repacked(image, Compression())
    push(store, packed, f"{server.host}/one:1")
    server.fail("two/blobs/sha256", refuses(404, "BLOB_UNKNOWN", "not in this repository"))
    push(store, packed, f"{server.host}/two:1")
    assert server.uploads.mounted == [packed.layers[0].descriptor.digest]


def test_several_names_in_one_repository_are_one_push(store: Store, server: RegistryServer) -> None:
    push(store, stored_image(store, "a", *TARS), f"{server.host}/app:1", f"{server.host}/app:latest")
    assert server.manifests["app/1"] == server.manifests["app/latest"]
    assert len([request for request in server.requests if request.method == "PATCH"]) == 3


def test_a_second_repository_takes_over_what_the_first_got(store: Store, server: RegistryServer) -> None:
    image = stored_image(store, "a", TARS[0])
    server.fail("two/blobs/sha256", refuses(404, "BLOB_UNKNOWN", "not in this repository"))
    push(store, image, f"{server.host}/one:1", f"{server.host}/two:1")
    assert server.uploads.mounted == [image.layers[0].descriptor.digest]


def test_nothing_is_named_when_a_layer_cannot_go(store: Store, server: RegistryServer) -> None:
    server.fail("uploads/$", refuses(403, "DENIED", "quota exceeded"))
    with pytest.raises(RegistryError, match="quota exceeded"):
        push(store, stored_image(store, "a", *TARS), f"{server.host}/app:1")
    assert not server.manifests


def test_an_image_without_a_name_goes_nowhere(store: Store) -> None:
    with pytest.raises(UsageError, match="nothing says where to push to"):
        push(store, stored_image(store, "a"))


def test_progress_is_told_by_layers(store: Store, server: RegistryServer) -> None:
    told: list[Event] = []
    image = stored_image(store, "a", *TARS)
    Pushing({}).export(image, [Reference.parse(f"{server.host}/app")], store, told.append)
    ends = {event.item: event.done for event in told if isinstance(event, Transferred)}
    assert ends == {layer.descriptor.digest.short: layer.descriptor.size for layer in image.layers}


def test_a_pulled_image_goes_on_as_it_came(store: Store) -> None:
    blank = stored_image(store, "a")
    image = Image.compose(blank.config, [gzipped_layer(store, TARS[0])])
    store.put_image(image)
    assert store.repacked(image, Compression("zstd")) == image
