"""Images in a registry, whoever put them there: Docker's own format, layers that lie, layers that stay away."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.oci import Digest, MediaType
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Registry
from tests.servers.proxy import FaultyProxy
from tests.servers.registry import RegistryServer

pytestmark = pytest.mark.e2e

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
ABANDONED = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
TAR = bytes(10240)


@pytest.fixture
def proxy(registry: Registry, busybox_base: BaseImage) -> Iterator[FaultyProxy]:
    """The registry with busybox, by a name under which everything that it is asked is remembered."""
    assert busybox_base
    with FaultyProxy(registry.host) as running:
        yield running


def built_upon(base: str, directory: Path, *lines: str) -> Path:
    """A context whose Dockerfile stands on a base."""
    directory.mkdir()
    (directory / "Dockerfile").write_text("\n".join([f"FROM {base}", *lines, ""]))
    return directory


def schema_2(server: RegistryServer, name: str, layer: bytes, diff_id: str, media_type: str) -> Digest:
    """Keeps an image of one layer as docker would; answers the layer's digest."""
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
    described = server.add_blob(json.dumps(config).encode(), MediaType.DOCKER_CONFIG)
    blob = server.add_blob(layer, media_type)
    document = {
        "schemaVersion": 2,
        "mediaType": MediaType.DOCKER_MANIFEST,
        "config": described.encode(),
        "layers": [{**blob.encode(), "urls": ["https://layers.test/one"]}],
    }
    server.add_manifest(name, document, MediaType.DOCKER_MANIFEST)
    return blob.digest


def test_an_image_of_dockers_format_goes_on_as_it_came(
    minibuild: Minibuild, registry: Registry, busybox_base: BaseImage
) -> None:
    came, went = f"{registry.host}/schema2/came:1", f"{registry.host}/schema2/went:1"
    words = ["--quiet", "--format=v2s2", "--dest-tls-verify=false", f"oci:{busybox_base.layout}", f"docker://{came}"]
    subprocess.run(["skopeo", "copy", *words], check=True, capture_output=True)
    minibuild.succeed("pull", came)
    minibuild.succeed("tag", came, went)
    minibuild.succeed("push", went)
    assert registry.inspect(went) == registry.inspect(came)
    assert registry.inspect(went).layer_types == (MediaType.DOCKER_LAYER_GZIP,)


def test_what_is_built_upon_dockers_format_is_oci_throughout(
    minibuild: Minibuild, registry: Registry, busybox_base: BaseImage, tmp_path: Path
) -> None:
    base, name = f"{registry.host}/schema2/base:1", f"{registry.host}/schema2/built:1"
    words = ["--quiet", "--format=v2s2", "--dest-tls-verify=false", f"oci:{busybox_base.layout}", f"docker://{base}"]
    subprocess.run(["skopeo", "copy", *words], check=True, capture_output=True)
    minibuild.succeed("build", "-t", name, "--push", built_upon(base, tmp_path / "context", "COPY Dockerfile /"))
    assert registry.inspect(name).layer_types == (MediaType.LAYER_GZIP, MediaType.LAYER_GZIP)
    assert registry.inspect(name).layers[0] == registry.inspect(base).layers[0]


def test_a_base_that_the_registry_has_is_mounted_there_and_never_comes_by_here(
    minibuild: Minibuild, proxy: FaultyProxy, registry: Registry, tmp_path: Path
) -> None:
    [base] = registry.inspect(f"{registry.host}/library/busybox:latest").layers
    context = built_upon(f"{proxy.host}/library/busybox", tmp_path / "context", "LABEL a=b", "COPY --link Dockerfile /")
    minibuild.succeed("build", "-t", f"{proxy.host}/mounting/app:1", "--push", context)
    asked = [(request.method, request.path) for request in proxy.requests if base.partition(":")[2] in request.path]
    assert [method for method, _ in asked] == ["HEAD", "POST"]
    assert asked[1][1].endswith("&from=library%2Fbusybox")
    assert registry.inspect(f"{registry.host}/mounting/app:1").layers[0] == base


def test_what_is_pushed_again_is_asked_for_and_not_sent(
    minibuild: Minibuild, proxy: FaultyProxy, tmp_path: Path
) -> None:
    name = f"{proxy.host}/warm/app:1"
    context = built_upon(f"{proxy.host}/library/busybox", tmp_path / "context", "COPY Dockerfile /")
    minibuild.succeed("build", "-t", name, "--push", context)
    before = len(proxy.requests)
    minibuild.succeed("push", name)
    minibuild.succeed("tag", name, other := f"{proxy.host}/warm/app:2")
    minibuild.succeed("push", other)
    asked = [(request.method, re.sub("sha256:.*", "", request.path)) for request in proxy.requests[before:]]
    manifests = [("HEAD", "/v2/warm/app/manifests/1"), ("HEAD", "/v2/warm/app/manifests/2")]
    assert asked == [*manifests, *[("HEAD", "/v2/warm/app/blobs/")] * 3, ("PUT", "/v2/warm/app/manifests/2")]


def test_an_index_is_pulled_without_what_attests_of_its_images(minibuild: Minibuild) -> None:
    with RegistryServer() as server:
        image = server.add_image("app:amd64", TAR)
        said = server.add_image("app:said", b"what nobody can run")
        server.add_index("app:1", {"linux/amd64": image, "unknown/unknown": said})
        minibuild.succeed("pull", "--platform=linux/amd64", f"{server.host}/app:1")
        assert server.paths(said) == []
        refused = minibuild("pull", "--platform=linux/s390x", f"{server.host}/app:1")
    assert (refused.returncode, "hint: it is for linux/amd64\n" in refused.stderr) == (7, True)


def test_pushes_at_the_same_time_come_to_one_image(
    minibuild: Minibuild, proxy: FaultyProxy, registry: Registry, tmp_path: Path
) -> None:
    name = f"{proxy.host}/library/busybox"
    copies = [f"COPY Dockerfile /{number}" for number in range(6)]
    minibuild.succeed("build", "-t", "app", built_upon(name, tmp_path / "context", *copies))
    targets = [f"{proxy.host}/together/app:{tag}" for tag in (1, 2)]
    for target in targets:
        minibuild.succeed("tag", "app", target)
    running = [minibuild.start("push", target) for target in targets]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert registry.inspect(targets[0]) == registry.inspect(targets[1])


def test_two_processes_pull_one_image_into_one_store(minibuild: Minibuild, proxy: FaultyProxy) -> None:
    name = f"{proxy.host}/library/busybox"
    running = [minibuild.start("pull", name) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert minibuild.succeed("run", "--rm", name, "echo", "whole") == "whole\n"


def test_a_layer_that_unpacks_to_something_else_than_its_image_says_is_refused(
    minibuild: Minibuild, tmp_path: Path
) -> None:
    with RegistryServer() as server:
        other = Digest.of(b"other")
        layer = schema_2(server, "app:1", gzip.compress(TAR), other, MediaType.DOCKER_LAYER_GZIP)
        name = f"{server.host}/app:1"
        done = minibuild("build", built_upon("scratch", tmp_path / "context", f"COPY --from={name} / /"))
    assert done.returncode == 7
    assert f"layer {layer}, unpacked, has the digest {Digest.of(TAR)}, its image says {other}" in done.stderr


@pytest.mark.parametrize("media_type", [FOREIGN, ABANDONED])
def test_a_layer_that_may_not_be_distributed_is_taken_where_the_registry_has_it(
    minibuild: Minibuild, tmp_path: Path, media_type: str
) -> None:
    with RegistryServer() as server:
        schema_2(server, "app:1", gzip.compress(TAR), Digest.of(TAR), media_type)
        minibuild.succeed("build", built_upon(f"{server.host}/app:1", tmp_path / "context", "COPY Dockerfile /"))


@pytest.mark.parametrize("media_type", [FOREIGN, ABANDONED])
def test_a_layer_that_may_not_be_distributed_and_is_not_there_is_told_as_such(
    minibuild: Minibuild, media_type: str
) -> None:
    with RegistryServer() as server:
        layer = schema_2(server, "app:1", gzip.compress(TAR), Digest.of(TAR), media_type)
        del server.blobs[layer]
        done = minibuild("pull", f"{server.host}/app:1")
    assert done.returncode == 7
    assert f"error: {layer} of {server.host}/app" in done.stderr
    assert "hint: it may not be distributed" in done.stderr
