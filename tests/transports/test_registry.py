"""Images out of a registry that misbehaves."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest

from minibuild.errors import ImageError, IntegrityError, RegistryError
from minibuild.events import Event, Transferred, silent
from minibuild.oci import Digest, MediaType, Platform, Reference
from minibuild.registry.session import Patience
from minibuild.store.store import Store
from minibuild.transports.registry import Registry
from tests.servers.registry import RegistryServer, answers, cuts, gives, holds, resets

AMD64 = Platform("linux", "amd64")
LAYERS = tuple(bytes([number]) * 500_000 for number in range(6))


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def images() -> Iterator[Registry]:
    with Registry({}, {}, Patience(attempts=3, pause_s=0.001, longest_s=1)) as registry:
        yield registry


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.at(tmp_path / "store") as opened:
        yield opened


def at(server: RegistryServer, name: str) -> Reference:
    return Reference.parse(f"{server.host}/{name}")


def left_behind(store: Store) -> list[str]:
    """All files below the store that aren't whole blobs: drafts, in whatever state."""
    return [path.name for path in store.blobs._scratch.iterdir()]


def unreliable_index(server: RegistryServer, **overrides: object) -> None:
    """``app:1``: an index whose descriptor of an amd64 image says something that isn't so."""
    digest = server.add_image("app:amd64")
    _, raw = server.manifests[f"app/{digest}"]
    platform = {"os": "linux", "architecture": "amd64"}
    entry = {"mediaType": MediaType.MANIFEST, "digest": digest, "size": len(raw), "platform": platform, **overrides}
    server.add_manifest("app:1", {"schemaVersion": 2, "manifests": [entry]}, MediaType.INDEX)


# Resolving


def test_an_image_is_found_without_its_layers_being_fetched(server: RegistryServer, images: Registry) -> None:
    digest = server.add_image("app:1", *LAYERS)
    image = images.resolve(at(server, "app:1"), AMD64)
    assert image.digest == digest
    assert image.config.diff_ids == tuple(map(Digest.of, LAYERS))
    assert len(server.requests) == 2


def test_an_index_is_asked_for_the_platforms_image(server: RegistryServer, images: Registry) -> None:
    arm = server.add_image("app:arm", architecture="arm64", variant="v8")
    server.add_index("app:1", {"linux/amd64": server.add_image("app:amd"), "linux/arm64/v8": arm})
    assert images.resolve(at(server, "app:1"), Platform("linux", "arm64")).digest == arm


def test_a_platform_that_an_index_lacks_is_answered_with_those_it_has(server: RegistryServer, images: Registry) -> None:
    digest = server.add_image("app:any")
    server.add_index("app:1", {"linux/arm64/v8": digest, "linux/386": digest, "unknown/unknown": digest})
    with pytest.raises(ImageError) as caught:
        images.resolve(at(server, "app:1"), AMD64)
    assert caught.value.message == f"{server.host}/app:1 can't be used: it is not made for linux/amd64"
    assert caught.value.hint == "it is for linux/386, linux/arm64/v8"


def test_an_image_of_another_platform_is_not_taken_for_ours(server: RegistryServer, images: Registry) -> None:
    server.add_image("app:1", architecture="arm64", variant="v8")
    with pytest.raises(ImageError, match="it is not made for linux/amd64") as caught:
        images.resolve(at(server, "app:1"), AMD64)
    assert caught.value.hint == "it is for linux/arm64/v8"


def test_an_image_that_says_no_architecture_is_taken(server: RegistryServer, images: Registry) -> None:
    digest = server.add_image("app:1", architecture="")
    assert images.resolve(at(server, "app:1"), AMD64).digest == digest


def test_a_name_is_pinned_to_the_index_it_names(server: RegistryServer, images: Registry) -> None:
    index = server.add_index("app:1", {"linux/amd64": server.add_image("app:amd")})
    reference = at(server, "app:1")
    images.resolve(reference, AMD64)
    assert images.pinned(reference) == Reference(server.host, "app", digest=index)


def test_a_pinned_index_gives_the_same_image(server: RegistryServer, images: Registry) -> None:
    image = server.add_image("app:amd")
    index = server.add_index("app:1", {"linux/amd64": image})
    assert images.resolve(at(server, f"app@{index}"), AMD64).digest == image


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"schemaVersion": 1, "fsLayers": []}, "schema 1"),
        ({"schemaVersion": 2}, "no configuration or no layers"),
        ({"schemaVersion": 2, "manifests": [], "layers": []}, "both an index and a manifest"),
        ({"schemaVersion": 2, "manifests": []}, "not made for linux/amd64"),
        ({"schemaVersion": 2, "config": {}, "layers": [{}] * 1001}, "1001 layers, more than the 1000 allowed"),
        ({"schemaVersion": 2, "config": {"size": 2}, "layers": []}, "None is no digest|'' is no digest"),
        (
            {
                "schemaVersion": 2,
                "config": {
                    "mediaType": "application/vnd.cncf.helm.config.v1+json",
                    "size": 2,
                    "digest": Digest.of(b"{}"),
                },
                "layers": [],
            },
            "it is a application/vnd.cncf.helm.config.v1[+]json, not an image",
        ),
    ],
    ids=["schema 1", "nothing", "ambiguous", "empty index", "too many layers", "no digest", "helm chart"],
)
def test_what_is_no_image_is_refused_by_its_name(
    server: RegistryServer, images: Registry, document: dict[str, object], says: str
) -> None:
    server.add_manifest("app:1", document)
    with pytest.raises(ImageError, match=says):
        images.resolve(at(server, "app:1"), AMD64)


def test_bytes_that_are_no_json_are_refused(server: RegistryServer, images: Registry) -> None:
    server.manifests["app/1"] = (MediaType.MANIFEST, b"[" * 100_000)
    with pytest.raises(ImageError, match="no JSON"):
        images.resolve(at(server, "app:1"), AMD64)


def test_a_manifest_of_another_size_than_the_index_says_is_refused(server: RegistryServer, images: Registry) -> None:
    unreliable_index(server, size=5)
    with pytest.raises(ImageError, match="the index says 5"):
        images.resolve(at(server, "app:1"), AMD64)


def test_a_digest_that_would_leave_the_store_is_refused(server: RegistryServer, images: Registry) -> None:
    unreliable_index(server, digest="sha256:../../../../etc/passwd")
    with pytest.raises(IntegrityError, match="no digest"):
        images.resolve(at(server, "app:1"), AMD64)


def test_an_index_in_an_index_is_refused(server: RegistryServer, images: Registry) -> None:
    inner = server.add_index("app:inner", {"linux/amd64": server.add_image("app:amd")})
    server.add_index("app:1", {"linux/amd64": inner})
    with pytest.raises(ImageError, match="no configuration or no layers"):
        images.resolve(at(server, "app:1"), AMD64)


def test_a_registry_that_fails_is_not_mistaken_for_a_broken_image(server: RegistryServer, images: Registry) -> None:
    server.add_image("app:1")
    server.fail("blobs", *[answers(500)] * 3)
    with pytest.raises(RegistryError, match="500 Internal Server Error"):
        images.resolve(at(server, "app:1"), AMD64)


# Fetching


def test_all_layers_come_into_the_store(server: RegistryServer, images: Registry, store: Store) -> None:
    server.add_image("app:1", *LAYERS)
    image = images.resolve(at(server, "app:1"), AMD64)
    images.fetch_layers(image, store.blobs, silent, activity=1)
    for layer, content in zip(image.layers, LAYERS, strict=True):
        with store.open(layer.descriptor) as stream:
            assert stream.read() == content
    assert not left_behind(store)


def test_layers_that_are_there_are_not_fetched_and_a_repeated_one_once(
    server: RegistryServer, images: Registry, store: Store
) -> None:
    server.add_image("app:1", LAYERS[0], LAYERS[1], LAYERS[1])
    store.blobs.add(LAYERS[0])
    image = images.resolve(at(server, "app:1"), AMD64)
    for _ in range(2):
        images.fetch_layers(image, store.blobs, silent, activity=1)
    assert server.paths("blobs")[1:] == [f"/v2/app/blobs/{Digest.of(LAYERS[1])}"]


def test_an_image_fetched_is_in_the_store_under_its_digest(
    server: RegistryServer, images: Registry, store: Store
) -> None:
    server.add_image("app:1", *LAYERS)
    reference = at(server, "app:1")
    image = images.resolve(reference, AMD64)
    images.fetch_layers(image, store.blobs, silent, activity=1)
    store.put_image(image)
    store.images.tag(images.pinned(reference), image)
    assert store.resolve(Reference(server.host, "app", digest=image.digest), AMD64) == image


def test_progress_is_told_by_layer_up_to_its_end(server: RegistryServer, images: Registry, store: Store) -> None:
    server.add_image("app:1", *LAYERS)
    events: list[Event] = []
    threads = set()

    def progress(event: Event) -> None:
        events.append(event)
        threads.add(threading.current_thread())

    images.fetch_layers(images.resolve(at(server, "app:1"), AMD64), store.blobs, progress, activity=7)
    last = {event.item: event for event in events if isinstance(event, Transferred)}
    assert last == {
        digest.short: Transferred(7, digest.short, len(content), len(content))
        for digest, content in ((Digest.of(content), content) for content in LAYERS)
    }
    assert threads == {threading.current_thread()}


def test_layers_survive_what_networks_do(server: RegistryServer, images: Registry, store: Store) -> None:
    server.add_image("app:1", *LAYERS)
    server.token = "secret"
    image = images.resolve(at(server, "app:1"), AMD64)
    server.fail("blobs", cuts(100_000), answers(502), resets, answers(429, Retry_After="0"), cuts(1), cuts(499_999))
    images.fetch_layers(image, store.blobs, silent, activity=1)
    assert all(store.blobs.has(layer.descriptor) for layer in image.layers)


def test_at_most_four_layers_come_at_once(server: RegistryServer, images: Registry, store: Store) -> None:
    server.add_image("app:1", *LAYERS)
    image = images.resolve(at(server, "app:1"), AMD64)
    release = threading.Event()
    server.fail("blobs", *[holds(release)] * 6)
    fetching = threading.Thread(target=images.fetch_layers, args=(image, store.blobs, silent), kwargs={"activity": 1})
    fetching.start()
    while len(server.paths("blobs")) < 5:  # The configuration, and four layers.
        fetching.join(0.01)
    fetching.join(0.2)
    assert len(server.paths("blobs")) == 5
    release.set()
    fetching.join()


def test_a_wrong_layer_is_an_error_that_names_it_and_leaves_nothing(
    server: RegistryServer, images: Registry, store: Store
) -> None:
    server.add_image("app:1", LAYERS[1])
    image = images.resolve(at(server, "app:1"), AMD64)
    server.fail("blobs", gives(LAYERS[2]))
    with pytest.raises(IntegrityError) as caught:
        images.fetch_layers(image, store.blobs, silent, activity=1)
    message = caught.value.message
    assert message.startswith(f"{Digest.of(LAYERS[1])} of {server.host}/app:1 can't be had from {server.url}")
    assert Digest.of(LAYERS[2]) in message
    assert not store.blobs.has(image.layers[0].descriptor)
    assert not left_behind(store)


def test_a_layer_that_fails_stops_the_others(server: RegistryServer, images: Registry, store: Store) -> None:
    server.add_image("app:1", *LAYERS)
    image = images.resolve(at(server, "app:1"), AMD64)
    server.fail(Digest.of(LAYERS[0]), answers(404))
    with pytest.raises(RegistryError, match="404"):
        images.fetch_layers(image, store.blobs, silent, activity=1)
    assert not left_behind(store)
    images.fetch_layers(image, store.blobs, silent, activity=1)
    assert all(store.blobs.has(layer.descriptor) for layer in image.layers)


@pytest.mark.parametrize("said", [None, 100_000], ids=["before a word", "within a body"])
def test_ctrl_c_ends_a_fetch_at_once_and_leaves_nothing(
    server: RegistryServer, images: Registry, store: Store, said: int | None
) -> None:
    server.add_image("app:1", *LAYERS)
    image = images.resolve(at(server, "app:1"), AMD64)
    release = threading.Event()
    server.fail("blobs", *[holds(release, said)] * 6)

    def press() -> None:
        while len(server.paths("blobs")) < 5:
            release.wait(0.01)
        signal.raise_signal(signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.raises(KeyboardInterrupt):
        images.fetch_layers(image, store.blobs, silent, activity=1)
    pressing.join()
    release.set()
    assert not left_behind(store)
    assert len(server.paths("blobs")) == 5


def test_a_fetch_is_cancelled_from_another_thread(server: RegistryServer, images: Registry, store: Store) -> None:
    server.add_image("app:1", *LAYERS)
    image = images.resolve(at(server, "app:1"), AMD64)
    release = threading.Event()
    server.fail("blobs", *[holds(release)] * 6)
    timer = threading.Timer(0.3, images.cancel)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        images.fetch_layers(image, store.blobs, silent, activity=1)
    release.set()
    assert not left_behind(store)


def test_a_blob_of_a_resolved_image_opens_verified(server: RegistryServer, images: Registry) -> None:
    server.add_image("app:1", LAYERS[1])
    image = images.resolve(at(server, "app:1"), AMD64)
    with images.open(image.layers[0].descriptor) as stream:
        assert stream.read() == LAYERS[1]


def test_a_mirror_serves_image_and_layers(server: RegistryServer, store: Store) -> None:
    server.add_image("library/app:1", *LAYERS)
    with Registry(MappingProxyType({"docker.io": (server.url,)}), {}) as images:
        image = images.resolve(Reference.parse("app:1"), AMD64)
        images.fetch_layers(image, store.blobs, silent, activity=1)
    assert all(store.blobs.has(layer.descriptor) for layer in image.layers)
