"""Images for several platforms under one name: built, emulated where need be, pushed, and read by other programs."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minibuild.oci import Digest
from tests import bases, daemons
from tests.accounts import open_directory
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.emulation import ARCHITECTURE, MACHINE, emulated
from tests.end_to_end.conftest import Project
from tests.machine import require

pytestmark = pytest.mark.e2e

HERE = os.uname().machine
NATIVE = {"x86_64": "amd64"}.get(HERE, HERE)
BOTH = f"--platform=linux/{NATIVE},linux/{ARCHITECTURE}"
DOCKERFILE = """\
FROM --platform=$BUILDPLATFORM busybox:all AS cross
ARG BUILDARCH
ARG TARGETARCH
RUN echo "$TARGETARCH made on $(uname -m)" > /made
FROM busybox:all
COPY --from=cross /made /app/
RUN uname -m > /app/machine
CMD ["cat", "/app/made", "/app/machine"]
"""
SAID = {
    NATIVE: f"{NATIVE} made on {HERE}\n{HERE}\n",
    ARCHITECTURE: f"{ARCHITECTURE} made on {HERE}\n{MACHINE}\n",
}


@dataclass(frozen=True)
class Podman:
    """podman with a storage of its own, whose path is short: it takes none of more than 50 characters."""

    place: str

    def __call__(self, *words: str) -> str:
        storage = (f"--root={self.place}/root", f"--runroot={self.place}/run", "--storage-driver=vfs")
        return run("env", f"CONTAINERS_REGISTRIES_CONF={self.place}/registries.conf", "podman", *storage, *words)


@pytest.fixture(scope="module")
def podman(registry: Registry) -> Iterator[Podman]:
    require("podman", root=True)
    with tempfile.TemporaryDirectory(prefix="podman") as place:
        settings = f'[[registry]]\nlocation = "{registry.host}"\ninsecure = true\n'
        (Path(place) / "registries.conf").write_text(settings)
        yield Podman(place)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that a plain user can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture(scope="module")
def busybox_for_all(registry: Registry, podman: Podman) -> str:
    """``busybox:all`` in Docker Hub's place: an index for both architectures, of podman's making."""
    require("apt-get", "dpkg-deb", "qemu-aarch64-static")
    registry.push(bases.busybox().layout, f"library/busybox:{NATIVE}")
    bases.foreign_busybox(ARCHITECTURE).pushed_to(registry)
    name = f"docker://{registry.host}/library/busybox"
    podman("manifest", "create", "all")
    for architecture in (NATIVE, ARCHITECTURE):
        podman("manifest", "add", "all", f"{name}:{architecture}")
    podman("manifest", "push", "all", f"{name}:all")
    return f"{registry.host}/library/busybox:all"


@pytest.fixture(scope="module")
def pushed(
    registry: Registry, busybox_for_all: str, shared_directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An index for both architectures, built and pushed; its metadata file is beside its Dockerfile."""
    assert busybox_for_all
    place = tmp_path_factory.mktemp("platforms")
    (place / "Dockerfile").write_text(DOCKERFILE)
    name = f"{registry.host}/platforms/app:1"
    words = ("build", BOTH, "-t", name, "--push", "--metadata-file", place / "metadata.json", place)
    with emulated(shared_directory / "binfmt.lock"):
        Minibuild(place / "store").with_mirror(registry).succeed(*words)
    digest = json.loads((place / "metadata.json").read_text())["containerimage.digest"]
    assert digest == Digest.of(raw(name).encode())
    return name


def run(*command: str) -> str:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def raw(name: str) -> str:
    """What a registry has under a name, as skopeo sees it."""
    return run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}")


def platforms(index: str) -> list[str]:
    entries = json.loads(index)["manifests"]
    return [f"{entry['platform']['os']}/{entry['platform']['architecture']}" for entry in entries]


def test_skopeo_and_podman_see_both_platforms_in_the_registry(pushed: str, podman: Podman) -> None:
    wanted = [f"linux/{NATIVE}", f"linux/{ARCHITECTURE}"]
    assert platforms(raw(pushed)) == wanted
    assert platforms(podman("manifest", "inspect", pushed)) == wanted


def test_skopeo_copies_the_index_with_all_its_images(pushed: str, tmp_path: Path) -> None:
    run("skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{pushed}", f"oci:{tmp_path}/layout:1")
    [entry] = json.loads((tmp_path / "layout/index.json").read_text())["manifests"]
    assert entry["digest"] == Digest.of(raw(pushed).encode())


def test_a_docker_daemon_pulls_the_image_of_its_own_platform(pushed: str, dockerd: Dockerd) -> None:
    dockerd.run("pull", pushed)
    assert dockerd.run("run", "--rm", "--net", "none", pushed).stdout == SAID[NATIVE]


@pytest.mark.parametrize("architecture", [NATIVE, ARCHITECTURE])
def test_each_platforms_image_is_pulled_and_run(
    minibuild: Minibuild, pushed: str, shared_directory: Path, architecture: str
) -> None:
    require(root=True)
    words = ("--platform", f"linux/{architecture}", pushed)
    minibuild.succeed("pull", *words)
    with emulated(shared_directory / "binfmt.lock"):
        assert minibuild.succeed("run", "--rm", *words) == SAID[architecture]


def test_an_index_that_was_built_is_pushed_later_whole_or_in_part(
    builder: Minibuild, registry: Registry, project: Project
) -> None:
    name = f"{registry.host}/platforms/later"
    root = project({"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n"})
    builder.succeed("build", BOTH, "-t", f"{name}:all", "-t", f"{name}:one", root)
    digest = builder.succeed("push", "-q", f"{name}:all").strip().partition("@")[2]
    builder.succeed("push", "-q", "--platform", f"linux/{ARCHITECTURE}", f"{name}:one")
    assert Digest.of(raw(f"{name}:all").encode()) == digest
    assert json.loads(raw(f"{name}:all"))["manifests"][1]["digest"] == Digest.of(raw(f"{name}:one").encode())


def test_an_archive_of_all_platforms_gives_each_reader_the_image_it_wants(
    builder: Minibuild, project: Project, podman: Podman
) -> None:
    root = project({"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n"})
    builder.succeed("build", BOTH, "-t", "archived:1", "-o", f"type=oci,dest={root}/all.tar", root)
    form = ("inspect", "--format={{.Architecture}}", f"oci-archive:{root}/all.tar:1")
    seen = [run("skopeo", "--override-arch", one, *form) for one in (NATIVE, ARCHITECTURE)]
    assert seen == [f"{NATIVE}\n", f"{ARCHITECTURE}\n"]
    podman("load", "-i", f"{root}/all.tar")
    assert podman("image", "inspect", "--format={{.Architecture}}", "archived:1") == f"{NATIVE}\n"


def test_even_without_a_cache_a_stage_that_is_the_same_for_all_is_built_once(
    builder: Minibuild, project: Project
) -> None:
    tools = "FROM --platform=$BUILDPLATFORM busybox AS tools\nRUN cat /proc/sys/kernel/random/uuid > /id\n"
    root = project({"Dockerfile": f"{tools}FROM scratch\nCOPY --from=tools /id /\n"})
    found = []
    for place in ("first", "second"):
        builder.succeed("build", "--no-cache", BOTH, "-o", root / place, root)
        found.append({(root / place / f"linux_{one}" / "id").read_text() for one in (NATIVE, ARCHITECTURE)})
    assert [len(ids) for ids in found] == [1, 1] and found[0] != found[1]


def test_what_two_jobs_pushed_by_digest_gets_one_name_that_others_read(
    builder: Minibuild, registry: Registry, project: Project, podman: Podman, dockerd: Dockerd, tmp_path: Path
) -> None:
    name = f"{registry.host}/platforms/joined"
    root = project({"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n"})
    metadata = root / "metadata.json"
    digests = []
    for architecture in (NATIVE, ARCHITECTURE):
        words = ("--platform", f"linux/{architecture}", "--metadata-file", metadata)
        output = f"type=image,name={name},push-by-digest=true,name-canonical=true,push=true"
        builder.at(tmp_path / architecture).succeed("build", *words, "-o", output, root)
        digests.append(json.loads(metadata.read_text())["containerimage.digest"])
    builder.succeed("manifest", "create", f"{name}:1", *(f"{name}@{digest}" for digest in digests))
    builder.succeed("manifest", "annotate", "--annotation=a=b", f"{name}:1", f"linux/{ARCHITECTURE}")
    builder.succeed("manifest", "push", f"{name}:1")
    seen = json.loads(podman("manifest", "inspect", f"{name}:1"))["manifests"]
    assert [entry["digest"] for entry in seen] == digests
    assert json.loads(raw(f"{name}:1"))["manifests"][1]["annotations"] == {"a": "b"}
    dockerd.run("pull", f"{name}:1")
    assert dockerd.inspect(f"{name}:1")["RepoDigests"] == [f"{name}@{Digest.of(raw(f'{name}:1').encode())}"]


def test_an_index_goes_to_another_registry_with_layers_that_only_the_first_has(
    builder: Minibuild, busybox_for_all: str, tmp_path: Path
) -> None:
    with daemons.registry(tmp_path / "other") as other:
        builder.succeed("manifest", "create", "copied:1", busybox_for_all)
        builder.succeed("manifest", "push", "copied:1", f"{other.host}/copied:1")
        assert raw(f"{other.host}/copied:1") == raw(busybox_for_all)
        run(
            "skopeo",
            "copy",
            "--all",
            "--src-tls-verify=false",
            f"docker://{other.host}/copied:1",
            f"dir:{tmp_path}/images",
        )


def test_a_plain_user_builds_for_both(
    plain: Minibuild, project: Project, registry: Registry, busybox_for_all: str, shared_directory: Path
) -> None:
    assert busybox_for_all
    root = project({"Dockerfile": DOCKERFILE})
    with emulated(shared_directory / "binfmt.lock"):
        done = plain("build", BOTH, "--progress=plain", "-t", f"{registry.host}/platforms/plain:1", "--push", root)
    assert done.returncode == 0, done.stderr
    assert platforms(raw(f"{registry.host}/platforms/plain:1")) == [f"linux/{NATIVE}", f"linux/{ARCHITECTURE}"]


def test_layers_of_a_base_that_only_pass_through_are_not_fetched_for_any_platform(
    builder: Minibuild, registry: Registry, project: Project, busybox_for_all: str
) -> None:
    name = f"{registry.host}/platforms/passed:1"
    root = project({"Dockerfile": f"FROM {busybox_for_all}\nCOPY --link Dockerfile /\n"})
    builder.succeed("build", BOTH, "-t", name, "--push", root)
    layers = [registry.inspect(f"{busybox_for_all[:-4]}:{one}").layers[0] for one in (NATIVE, ARCHITECTURE)]
    images = [entry["digest"] for entry in json.loads(raw(name))["manifests"]]
    assert [registry.inspect(f"{name[:-2]}@{digest}").layers[0] for digest in images] == layers
    assert not any((builder.root / "blobs/sha256" / layer[7:]).exists() for layer in layers)
