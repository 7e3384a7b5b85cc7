"""What networks and servers do to a pull and a push, in front of the registry that everybody runs."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from random import Random

import pytest

from minibuild.errors import ImageError, MinibuildError
from minibuild.events import silent
from minibuild.layers.compressing import Compression
from minibuild.oci import Image, Platform, Reference
from minibuild.registry.session import Patience
from minibuild.store import Store
from minibuild.transports.pushing import Pushing
from minibuild.transports.registry import Registry
from tests import daemons
from tests.servers.proxy import FaultyProxy, drops, knows_no_ranges
from tests.servers.registry import Fault, RegistryServer, answers, cuts, gives, holds, redirects, refuses, resets, says
from tests.store.conftest import stored_image

pytestmark = pytest.mark.e2e

HASTY = Patience(attempts=3, pause_s=0.001, longest_s=2, silence_s=0.3)
PAGE = b"<html><body><h1>Welcome to nginx!</h1></body></html>"
LAYER = Random(0).randbytes(2_000_000)
NEVER = threading.Event()
NAME = "faults/app:1"


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that has the image."""
    with Store.at(tmp_path_factory.mktemp("faults")) as opened:
        yield opened


@pytest.fixture(scope="module")
def image(registry: daemons.Registry, kept: Store) -> Image:
    """An image of one gzip layer that doesn't get smaller, in the real registry."""
    packed = kept.repacked(stored_image(kept, "a", LAYER), Compression())
    Pushing({}).export(packed, [Reference.parse(f"{registry.host}/{NAME}")], kept, silent)
    return packed


@pytest.fixture
def proxy(registry: daemons.Registry) -> Iterator[FaultyProxy]:
    with FaultyProxy(registry.host) as running:
        yield running


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """One that has nothing yet."""
    return "faults/" + re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.at(tmp_path / "store") as opened:
        yield opened


def put(server: RegistryServer, repository: str, image: Image, kept: Store) -> None:
    """Puts an image of one layer under the tag 2."""
    with Registry({}, {}, HASTY) as registry:
        destination = registry.destination(Reference.parse(f"{server.host}/{repository}:2"))
        for descriptor in (image.layers[0].descriptor, image.config_descriptor):
            if not destination.has(descriptor):
                destination.put_blob(descriptor, partial(kept.open, descriptor), lambda _: None)
        destination.put_manifest("2", image.media_type, image.raw_manifest)


def pull(server: RegistryServer, store: Store) -> Image:
    with Registry({}, {}, HASTY) as registry:
        found = registry.resolve(Reference.parse(f"{server.host}/{NAME}"), Platform("linux", "amd64"))
        registry.fetch_layers(found, store.blobs, silent, activity=0)
        return found


MANIFEST, CONFIG, BLOB = "/manifests/", "/blobs/sha256:CONFIG", "/blobs/sha256:LAYER"


def pattern_of(words: str, image: Image) -> str:
    return words.replace("CONFIG", image.id.hex).replace("LAYER", image.layers[0].descriptor.digest.hex)


@pytest.mark.parametrize(
    ("where", "faults"),
    [
        pytest.param(MANIFEST, [refuses(429, "TOOMANYREQUESTS", "slow down", Retry_After="0")], id="429 with a wait"),
        pytest.param(MANIFEST, [answers(500, PAGE)], id="500 with a page"),
        pytest.param(CONFIG, [answers(502, PAGE), answers(503)], id="502, then 503"),
        pytest.param(BLOB, [refuses(503, "UNAVAILABLE", "starting")] * 2, id="503 twice"),
        pytest.param(MANIFEST, [resets], id="reset before an answer"),
        pytest.param(MANIFEST, [cuts(100)], id="manifest cut"),
        pytest.param(MANIFEST, [holds(NEVER)], id="silence in the place of an answer"),
        pytest.param(BLOB, [cuts(700_000), cuts(10)], id="layer cut, then its rest"),
        pytest.param(BLOB, [cuts(1_200_000)] * 4, id="layer cut more often than patience has attempts"),
        pytest.param(BLOB, [holds(NEVER, 700_000)], id="layer stalls half way"),
        pytest.param(BLOB, [cuts(700_000), resets], id="layer cut, then reset"),
        pytest.param(MANIFEST, [drops("Docker-Content-Digest", "Content-Length")], id="manifest without its headers"),
        pytest.param(BLOB, [drops("Content-Length")], id="layer without a length"),
        pytest.param(MANIFEST, [says(Content_Type="text/plain")], id="manifest said to be a text"),
    ],
)
def test_a_pull_survives_what_passes(
    proxy: FaultyProxy, image: Image, store: Store, where: str, faults: list[Fault]
) -> None:
    proxy.fail(pattern_of(where, image), *faults)
    assert pull(proxy, store) == image
    with store.open_tar(image.layers[0]) as tar:
        assert tar.read() == LAYER


def test_a_layer_comes_whole_from_a_server_without_ranges(proxy: FaultyProxy, image: Image, store: Store) -> None:
    proxy.fail(pattern_of(BLOB, image), cuts(700_000), knows_no_ranges(proxy.target))
    assert pull(proxy, store) == image
    assert len(proxy.paths(pattern_of(BLOB, image))) == 2
    assert store.blobs.has(image.layers[0].descriptor)


LARGE = b'{"schemaVersion": 2, "layers": "' + bytes([0x20]) * (4 << 20) + b'"}'
SCHEMA_1 = json.dumps({"schemaVersion": 1, "name": "app", "tag": "1", "fsLayers": [], "history": []}).encode()


@pytest.mark.parametrize(
    ("where", "faults", "said", "hint"),
    [
        pytest.param(BLOB, [answers(401)], "(401 Unauthorized)", "it is private, or doesn't exist; minibuild asked as",
                     id="401 half way, with no word of what is wanted"),
        pytest.param(MANIFEST, [answers(403, PAGE)], "(403 Forbidden)", "it is private", id="403 with a page"),
        pytest.param(MANIFEST, [refuses(429, "TOOMANYREQUESTS", "come back later", Retry_After="900")],
                     "(429 TOOMANYREQUESTS: come back later)", "it wants to be left alone for 900 s",
                     id="429 for longer than anyone waits"),
        pytest.param(MANIFEST, [answers(500, PAGE)] * 3, "(500 Internal Server Error)", "", id="500 for good"),
        pytest.param(BLOB, [resets] * 3, "(the connection was cut)", "", id="reset for good"),
        pytest.param(BLOB, [cuts(10)] * 3, "cut 3 times, at last at 30 of", "", id="cut for good"),
        pytest.param(MANIFEST, [holds(NEVER)] * 3, "(it said nothing for 0.3 s)", "", id="silence for good"),
        pytest.param(BLOB, [gives(b"?" * 100)], "(it has 100 bytes, wanted ", "", id="layer of another size"),
        pytest.param(CONFIG, [gives(b"?" * 100)], "(it has 100 bytes, wanted ", "", id="configuration of another size"),
        pytest.param(MANIFEST, [answers(200, PAGE)], "can't be used: the manifest is no JSON", "", id="a page"),
        pytest.param(MANIFEST, [answers(200, SCHEMA_1)], "the manifest is of schema 1, which Docker retired",
                     "push the image again, by any client", id="schema 1"),
        pytest.param(MANIFEST, [answers(200, LARGE)], "more than the 4194304 bytes allowed", "", id="large manifest"),
        pytest.param(MANIFEST, [gives(b'{"schemaVersion": 2}')], "(it has digest sha256:", "",
                     id="manifest other than its header says"),
        pytest.param(MANIFEST, [redirects("/v2/faults/app/manifests/1")] * 6,
                     "(it sent us on 5 times without coming to an end)", "", id="redirects in a circle"),
        pytest.param(BLOB, [redirects("http://169.254.169.254/latest")],
                     "(it sends us to http://169.254.169.254, which is an address of this machine's own link)", "",
                     id="redirect to a cloud's own"),
    ],
)  # fmt: skip
def test_a_pull_that_cannot_succeed_says_why_and_keeps_nothing(
    proxy: FaultyProxy, image: Image, store: Store, where: str, faults: list[Fault], said: str, hint: str
) -> None:
    proxy.fail(pattern_of(where, image), *faults)
    with pytest.raises(ImageError) as caught:
        pull(proxy, store)
    assert said in caught.value.message
    assert caught.value.hint.startswith(hint)
    assert list(store.blobs) == []


def test_a_layer_that_differs_in_a_byte_is_told_by_both_digests(proxy: FaultyProxy, image: Image, store: Store) -> None:
    whole = image.layers[0].descriptor
    proxy.fail(pattern_of(BLOB, image), gives(bytes(whole.size)))
    with pytest.raises(ImageError) as caught:
        pull(proxy, store)
    assert f"blob {whole.digest} of {whole.size} bytes came as sha256:" in caught.value.message
    assert list(store.blobs) == []


def test_another_host_serves_a_layer_and_learns_nothing_of_who_asks(
    proxy: FaultyProxy, image: Image, store: Store, registry: daemons.Registry
) -> None:
    layer = image.layers[0].descriptor.digest
    auths = {"auths": {proxy.host: {"auth": "bWU6cGFzczp3b3Jk"}}}
    proxy.login = "me:pass:word"
    with FaultyProxy(registry.host) as other, Registry({}, {"DOCKER_AUTH_CONFIG": json.dumps(auths)}, HASTY) as insider:
        proxy.fail(layer, redirects(f"{other.url}/v2/faults/app/blobs/{layer}"))
        found = insider.resolve(Reference.parse(f"{proxy.host}/{NAME}"), Platform("linux", "amd64"))
        insider.fetch_layers(found, store.blobs, silent, activity=0)
        [received] = other.requests
    assert store.blobs.has(image.layers[0].descriptor)
    assert set(map(str.lower, received.headers)) <= {"host", "user-agent", "accept-encoding"}


PUT_MANIFEST = "/manifests/2$"
UPLOAD, BEGIN, FINISH = r"/blobs/uploads/[^?]+\?(?!.*digest)", "/blobs/uploads/$", "digest=sha256"


@pytest.mark.parametrize(
    ("where", "faults", "cut"),
    [
        pytest.param(BEGIN, [answers(500, PAGE), answers(502), ], [], id="500, then 502, where it begins"),
        pytest.param(BEGIN, [resets], [], id="reset where it begins"),
        pytest.param(UPLOAD, [answers(503)], [], id="503 for the bytes"),
        pytest.param(UPLOAD, [refuses(429, "TOOMANYREQUESTS", "slow down", Retry_After="0")], [], id="429 for them"),
        pytest.param(UPLOAD, [resets], [], id="reset after the bytes"),
        pytest.param("nowhere", [], [600_000], id="cut half way"),
        pytest.param("nowhere", [], [600_000, 100], id="cut twice"),
        pytest.param(FINISH, [answers(502, PAGE)], [], id="502 at the end"),
        pytest.param("/blobs/sha256", [answers(404)], [], id="HEAD lies"),
        pytest.param("/blobs/sha256", [answers(500)] * 2, [], id="HEAD fails"),
        pytest.param(PUT_MANIFEST, [answers(500, PAGE)], [], id="500 for the manifest"),
        pytest.param(PUT_MANIFEST, [drops("Docker-Content-Digest")], [], id="manifest's digest not said"),
    ],
)  # fmt: skip
def test_a_push_survives_what_passes(
    proxy: FaultyProxy, image: Image, kept: Store, registry: daemons.Registry, where: str, faults: list[Fault],
    cut: list[int], repository: str,
) -> None:  # fmt: skip
    proxy.fail(where, *faults)
    proxy.uploads.cuts += cut
    put(proxy, repository, image, kept)
    assert registry.inspect(f"{registry.host}/{repository}:2").digest == image.digest
    assert not proxy.uploads.cuts


def test_an_upload_that_was_cut_begins_anew_at_a_registry_that_has_given_it_up(
    proxy: FaultyProxy, image: Image, kept: Store, repository: str
) -> None:
    proxy.uploads.cuts += [600_000]
    put(proxy, repository, image, kept)
    asked = [(request.method, request.headers["Content-Range"]) for request in proxy.requests]
    whole = ("PATCH", f"0-{image.layers[0].descriptor.size - 1}")
    # docker-registry 2.8 cancels an upload whose place it gave for another position than the bytes have reached.
    assert asked[1:5] == [("POST", None), ("GET", None), ("POST", None), whole]


@pytest.mark.parametrize(
    ("where", "faults", "said", "hint"),
    [
        pytest.param(BEGIN, [refuses(403, "DENIED", "not yours")], "(403 DENIED: not yours)",
                     "it is private, or doesn't exist; minibuild asked as nobody", id="403"),
        pytest.param(BEGIN, [answers(500, PAGE)] * 3, "(500 Internal Server Error)", "", id="500 for good"),
        pytest.param(UPLOAD, [answers(413, PAGE)], "(413 Request Entity Too Large)", "", id="413 of a proxy"),
        pytest.param(UPLOAD, [resets] * 20, "(the connection was cut)", "", id="reset for good"),
        pytest.param(FINISH, [refuses(400, "DIGEST_INVALID", "it differs")], "(400 DIGEST_INVALID: it differs)", "",
                     id="another digest at the end"),
        pytest.param(PUT_MANIFEST, [refuses(400, "MANIFEST_INVALID", "no")], "(400 MANIFEST_INVALID: no)", "",
                     id="manifest refused"),
        pytest.param(PUT_MANIFEST, [says(Docker_Content_Digest="sha256:" + 64 * "0")], "it took the manifest sha256:",
                     "", id="another manifest kept"),
        pytest.param(BEGIN, [says(Location="http://169.254.169.254/up")],
                     "(it wants the blob at http://169.254.169.254, which is an address of this machine's own link)",
                     "", id="upload to a cloud's own"),
        pytest.param(BEGIN, [redirects("/v2/x/blobs/uploads/")] * 6,
                     "(it sent us on 5 times without coming to an end)", "", id="redirects in a circle"),
    ],
)  # fmt: skip
def test_a_push_that_cannot_succeed_says_what_could_not_be_put_and_why(
    proxy: FaultyProxy, image: Image, kept: Store, repository: str, where: str, faults: list[Fault], said: str,
    hint: str,
) -> None:  # fmt: skip
    proxy.fail(where, *faults)
    with pytest.raises(MinibuildError) as caught:
        put(proxy, repository, image, kept)
    assert f"can't be put into {repository} of {proxy.url} (" in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint.startswith(hint)


def test_several_threads_and_processes_worth_of_pulls_meet_in_one_store(
    proxy: FaultyProxy, image: Image, store: Store
) -> None:
    proxy.fail(pattern_of(BLOB, image), cuts(700_000), resets, answers(503))
    with ThreadPoolExecutor(4) as pool:
        pulls = [pool.submit(pull, proxy, store) for _ in range(4)]
    assert [each.result() for each in pulls] == [image] * 4
    assert set(store.blobs) == {image.layers[0].descriptor.digest}
