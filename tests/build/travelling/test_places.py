"""Caches in places: what is asked of a registry, what a directory keeps, and what is no cache at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from minibuild.build.engine import build
from minibuild.build.request import BuildRequest, BuildResult
from minibuild.build.travelling.exporting import export_caches
from minibuild.build.travelling.importing import read
from minibuild.build.travelling.local import LocalCache
from minibuild.build.travelling.place import Access
from minibuild.build.travelling.registry import RegistryCache
from minibuild.build.travelling.wishes import parse_caches
from minibuild.errors import ImageError, UsageError
from minibuild.events import silent
from minibuild.oci import MediaType, Platform, Reference
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store
from minibuild.transports.pushing import Pushing
from tests.servers.registry import RegistryServer, refuses

LINUX = Platform("linux", "amd64")
DOCKERFILE = """\
FROM scratch AS files
COPY f /out/f
COPY g /out/g
FROM scratch
WORKDIR /app
COPY --from=files /out/ /got/
LABEL a=b
"""


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        yield running


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    for name, text in {"Dockerfile": DOCKERFILE, "f": "one", "g": "two"}.items():
        (place / name).write_text(text)
    return place


@dataclass(frozen=True)
class Machine:
    """A store, and builds into it."""

    root: Path
    context: Path

    def build(self, *, source: str = "", destination: str = "", name: str = "", **wishes: object) -> BuildResult:
        """Builds, pushes to a registry, writes the cache: in this order, as the command line does."""
        caches = parse_caches([source] if source else [], [destination] if destination else [])
        names = [Reference.parse(name)] if name else []
        request = BuildRequest(str(self.context), platform=LINUX, caches=caches, leaves_layers=bool(name))
        request = replace(request, **wishes)  # type: ignore[arg-type]
        with Store.at(self.root) as store:
            result = build(request, store, silent, Cancellation())
            if names:
                Pushing({}).export(result.image, names, store, silent)
            export_caches(request.caches, result.collected, Access.of(request, names), store, silent)
        return result


@pytest.fixture
def here(tmp_path: Path, context: Path) -> Machine:
    return Machine(tmp_path / "here", context)


@pytest.fixture
def there(tmp_path: Path, context: Path) -> Machine:
    return Machine(tmp_path / "there", context)


def test_of_a_cache_in_a_registry_its_records_are_asked_for_and_no_layer(
    here: Machine, there: Machine, server: RegistryServer
) -> None:
    first = here.build(destination=f"type=registry,ref={server.host}/cache:main,mode=max")
    asked = len(server.requests)
    second = there.build(source=f"{server.host}/cache:main", name=f"{server.host}/app:1")
    assert (second.cached, second.steps, second.image.id) == (2, 2, first.image.id)
    config = json.loads(server.manifests["cache/main"][1])["config"]["digest"]
    gets = [request.path for request in server.requests[asked:] if request.method == "GET"]
    assert gets == ["/v2/cache/manifests/main", f"/v2/cache/blobs/{config}"]


def test_each_platforms_image_tells_of_its_own_steps(here: Machine, there: Machine, server: RegistryServer) -> None:
    platforms = (LINUX, Platform("linux", "arm64"))
    (here.context / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY f /$TARGETARCH\n")
    here.build(destination="type=inline", name=f"{server.host}/app:1", platforms=platforms)
    second = there.build(source=f"{server.host}/app:1", name=f"{server.host}/app:1", platforms=platforms)
    assert (second.cached, second.steps) == (2, 2)


def test_a_cache_has_the_steps_of_all_platforms(here: Machine, there: Machine, server: RegistryServer) -> None:
    platforms = (LINUX, Platform("linux", "arm64"))
    (here.context / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY f /$TARGETARCH\nCOPY f /other\n")
    here.build(destination=f"type=registry,ref={server.host}/cache:1", platforms=platforms)
    second = there.build(source=f"{server.host}/cache:1", platforms=platforms)
    assert (second.cached, second.steps) == (4, 4)


def test_a_build_that_found_all_done_writes_the_very_same_cache(
    here: Machine, there: Machine, server: RegistryServer
) -> None:
    cache = f"type=registry,ref={server.host}/cache:main,mode=max"
    here.build(destination=cache)
    before = server.manifests["cache/main"]
    there.build(source=f"{server.host}/cache:main", name=f"{server.host}/app:1", destination=cache)
    assert server.manifests["cache/main"] == before


def test_the_layers_that_an_image_has_taken_there_are_mounted(here: Machine, server: RegistryServer) -> None:
    server.fail("cache/blobs/sha256", *[refuses(404, "BLOB_UNKNOWN", "not in this repository")] * 3)
    destination = f"type=registry,ref={server.host}/cache:main,compression=uncompressed"
    result = here.build(destination=destination, name=f"{server.host}/app:1")
    assert set(server.uploads.mounted) == {layer.descriptor.digest for layer in result.image.layers}


def test_a_stage_that_was_to_be_done_anew_is_handed_on_too(here: Machine, there: Machine, tmp_path: Path) -> None:
    cache = f"type=local,dest={tmp_path}/cache,mode=max"
    here.build()
    here.build(destination=cache, no_cache_stages=frozenset({"files"}))
    assert there.build(source=f"type=local,src={tmp_path}/cache", target="files").cached == 2


def test_what_is_wrong_with_a_place_is_told_before_anything_is_built(here: Machine, server: RegistryServer) -> None:
    with pytest.raises(UsageError):
        here.build(destination="type=registry,ref=r.test/UPPER:1")
    assert not server.requests
    assert not (here.root / "cache.sqlite").exists()


def test_a_directory_has_several_caches_by_their_tags(here: Machine, there: Machine, tmp_path: Path) -> None:
    here.build(destination=f"type=local,dest={tmp_path}/cache,mode=max,tag=a")
    (here.context / "f").write_text("changed")
    here.build(destination=f"type=local,dest={tmp_path}/cache,tag=b")
    assert there.build(source=f"type=local,src={tmp_path}/cache,tag=a", target="files").cached == 0
    (here.context / "f").write_text("one")
    assert there.build(source=f"type=local,src={tmp_path}/cache,tag=a", target="files").cached == 2


def test_a_directory_keeps_nothing_that_only_earlier_caches_had(here: Machine, tmp_path: Path) -> None:
    place, again = tmp_path / "cache", tmp_path / "again"
    here.build(destination=f"type=local,dest={place},mode=max")
    for blob in (place / "blobs/sha256").iterdir():
        os.utime(blob, (0, 0))
    (here.context / "f").write_text("changed")
    here.build(destination=f"type=local,dest={place},mode=max")
    here.build(destination=f"type=local,dest={again},mode=max")
    assert names(place) == names(again)


def names(layout: Path) -> set[str]:
    return {blob.name for blob in (layout / "blobs/sha256").iterdir()}


def test_a_directory_that_has_images_too_keeps_them(here: Machine, tmp_path: Path) -> None:
    from minibuild.transports.oci_layout import OciLayout

    place = tmp_path / "layout"
    with Store.at(here.root) as store:
        image = here.build().image
        OciLayout(place).export(image, [Reference.parse("app:1")], store, silent)
    for blob in (place / "blobs/sha256").iterdir():
        os.utime(blob, (0, 0))
    here.build(destination=f"type=local,dest={place}")
    assert OciLayout(place, "app:1").resolve(Reference.parse("app:1"), LINUX) == image


def registry_cache(server: RegistryServer, document: bytes, media_type: str) -> RegistryCache:
    """What is there under a name, whose configuration is this."""
    manifest = {
        "schemaVersion": 2,
        "mediaType": MediaType.MANIFEST,
        "config": server.add_blob(document, media_type).encode(),
        "layers": [],
    }
    server.add_manifest("cache:main", manifest)
    return RegistryCache(Reference.parse(f"{server.host}/cache:main"), Access({}, platform=LINUX))


OURS = "application/vnd.minibuild.cache.v1+json"


@pytest.mark.parametrize(
    ("document", "media_type", "said"),
    [
        (b"{", OURS, "its records are no JSON"),
        (b"[" * 100_000, OURS, "its records are no JSON"),
        (b"[]", OURS, "its records are of the schema 'list', wanted 1"),
        (b'{"schema":9}', OURS, "its records are of the schema 9, wanted 1"),
        (b"{}", "application/vnd.buildkit.cacheconfig.v0", "it was written by BuildKit"),
        (b"{}", "application/vnd.cncf.helm.config.v1+json", "doesn't follow its specification"),
        (b'{"rootfs":{"type":"layers"}}', MediaType.CONFIG, "it is an image that tells nothing of its steps"),
    ],
)
def test_what_is_no_cache_is_told_apart(server: RegistryServer, document: bytes, media_type: str, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        read(registry_cache(server, document, media_type), b"")


def test_records_of_more_than_64_mib_are_not_fetched(server: RegistryServer) -> None:
    cache = registry_cache(server, b"{}", OURS)
    manifest = json.loads(server.manifests["cache/main"][1])
    manifest["config"]["size"] = (64 << 20) + 1
    server.add_manifest("cache:main", manifest)
    with pytest.raises(ImageError, match="more than the 67108864 that are read"):
        read(cache, b"")
    assert not server.paths("/blobs/")


def test_a_directory_that_is_not_there_has_no_cache(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is no OCI layout"):
        read(LocalCache(tmp_path / "nowhere", "latest", LINUX), b"")


def test_a_cache_that_is_not_there_is_told_of_and_does_no_harm(here: Machine, server: RegistryServer) -> None:
    result = here.build(source=f"{server.host}/cache:main")
    assert [finding.rule for finding in result.findings] == ["CacheUnavailable"]
    assert result.cached == 0
