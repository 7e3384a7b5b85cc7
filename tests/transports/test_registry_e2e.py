"""Images out of the registry that everybody runs, and by the client's own eyes the same as skopeo sees them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from minibuild.errors import RegistryError
from minibuild.events import silent
from minibuild.oci import Digest, Platform, Reference
from minibuild.registry.endpoints import parse_mirrors
from minibuild.registry.session import Patience
from minibuild.store.store import Store
from minibuild.transports.registry import Registry
from tests import daemons
from tests.servers.registry import RegistryServer
from tests.servers.wire import Wire

pytestmark = pytest.mark.e2e

AMD64 = Platform("linux", "amd64")
# The second one can't be compressed, so that it takes a while to come.
TARS = (bytes(10240), Random(0).randbytes(4 << 20))


@pytest.fixture(scope="module")
def app(registry: daemons.Registry) -> str:
    """``transports/app:1`` in the real registry, an index for two platforms; skopeo has compressed its layers."""
    with RegistryServer() as ours:
        platforms = {
            "linux/amd64": ours.add_image("app:amd64", *TARS),
            "linux/arm64/v8": ours.add_image("app:arm64", TARS[0], architecture="arm64", variant="v8"),
        }
        ours.add_index("app:1", platforms)
        name = f"{registry.host}/transports/app:1"
        skopeo("copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", at(f"{ours.host}/app:1"), at(name))
    return name


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.at(tmp_path / "store") as opened:
        yield opened


def at(name: str) -> str:
    return f"docker://{name}"


def skopeo(*arguments: str) -> str:
    done = subprocess.run(["skopeo", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_pulled_is_what_skopeo_sees(app: str, store: Store) -> None:
    reference = Reference.parse(app)
    with Registry({}, {}) as images:
        image = images.resolve(reference, AMD64)
        images.fetch_layers(image, store.blobs, silent, activity=1)
    seen = skopeo("inspect", "--raw", "--tls-verify=false", at(f"{reference.name}@{image.digest}"))
    assert image.raw_manifest.decode() == seen
    for layer, tar in zip(image.layers, TARS, strict=True):
        with store.open_tar(layer) as stream:
            assert stream.read() == tar


def test_a_platform_gets_its_image_and_the_name_its_index(app: str) -> None:
    with Registry({}, {}) as images:
        image = images.resolve(Reference.parse(app), Platform("linux", "arm64"))
        pinned = images.pinned(Reference.parse(app))
        again = images.resolve(pinned, Platform("linux", "arm64"))
    index = skopeo("inspect", "--raw", "--tls-verify=false", at(app))
    assert pinned.digest == Digest.of(index.encode())
    assert image.digest == json.loads(index)["manifests"][1]["digest"]
    assert again == image


def test_the_registry_serves_as_a_mirror_of_docker_hub(app: str) -> None:
    mirrors = parse_mirrors([f"docker.io=http://{app.partition('/')[0]}"])
    with Registry(mirrors, {}) as images:
        mirrored = images.resolve(Reference.parse("docker.io/transports/app:1"), AMD64)
        assert mirrored == images.resolve(Reference.parse(app), AMD64)


def test_a_tag_that_is_not_there_is_answered_with_what_is(app: str) -> None:
    missing = Reference.parse(app).with_tag("7")
    with Registry({}, {}) as images, pytest.raises(RegistryError) as caught:
        images.resolve(missing, AMD64)
    assert "404 MANIFEST_UNKNOWN: manifest unknown" in caught.value.message
    assert caught.value.hint == "its tags are 1"


def test_layers_come_whole_over_a_wire_that_breaks(app: str, store: Store) -> None:
    host, _, rest = app.partition("/")
    with Wire(host, 300, 1_000_000, 2_000_000, 5, 500_000) as wire:
        with Registry({}, {}, Patience(pause_s=0.001)) as images:
            image = images.resolve(Reference.parse(f"{wire.host}/{rest}"), AMD64)
            images.fetch_layers(image, store.blobs, silent, activity=1)
        assert wire.cuts_left == 0
    for layer in image.layers:
        with store.open(layer.descriptor) as stream:
            assert len(stream.read()) == layer.descriptor.size
