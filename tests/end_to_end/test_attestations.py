"""An image with attestations beside it is an image like any other to every reader, and they say what is true."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from minibuild.oci import Digest
from tests.accounts import open_directory
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.end_to_end.conftest import Project
from tests.inventory.test_spdx import problems
from tests.machine import require

pytestmark = pytest.mark.e2e

DOCKERFILE = """\
FROM debian:bookworm AS build
COPY package.json /app/
FROM busybox
COPY --from=build /app /app
COPY --from=build /etc/os-release /etc/
COPY --from=build /var/lib/dpkg/status /var/lib/dpkg/
CMD ["cat", "/app/package.json"]
"""
PACKAGE = '{"name": "app", "version": "1.0.0", "license": "MIT"}'
SPDX, PROVENANCE = "https://spdx.dev/Document", "https://slsa.dev/provenance/v1"


@dataclass(frozen=True)
class Attested:
    """An image that was pushed with attestations, and an OCI layout that skopeo copied all of it to."""

    name: str
    layout: Path

    def document(self, digest: str) -> Any:
        raw = (self.layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()
        assert Digest.of(raw) == digest
        return json.loads(raw)

    @property
    def index(self) -> Any:
        [entry] = json.loads((self.layout / "index.json").read_text())["manifests"]
        return self.document(entry["digest"])

    @property
    def statements(self) -> Mapping[str, Any]:
        """What the second of the index's manifests has, by the types of predicates."""
        manifest = self.document(self.index["manifests"][1]["digest"])
        return {
            layer["annotations"]["in-toto.io/predicate-type"]: self.document(layer["digest"])
            for layer in manifest["layers"]
        }


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that a plain user can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture(scope="module")
def attested(
    registry: Registry,
    debian_base: BaseImage,
    busybox_base: BaseImage,
    tmp_path_factory: pytest.TempPathFactory,
) -> Attested:
    """An image built upon real bases and pushed, its layers compressed on the way."""
    assert debian_base and busybox_base
    place = tmp_path_factory.mktemp("attested")
    (place / "context").mkdir()
    (place / "context/Dockerfile").write_text(DOCKERFILE)
    (place / "context/package.json").write_text(PACKAGE)
    name = f"{registry.host}/attested/app:1"
    words = ("build", "--sbom", "--provenance=mode=max", "-t", name, "--push", place / "context")
    Minibuild(place / "store").with_mirror(registry).succeed(*words)
    run("skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{name}", f"oci:{place}/layout:1")
    return Attested(name, place / "layout")


def run(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_registry_has_an_index_as_buildkit_makes_it(attested: Attested) -> None:
    seen = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{attested.name}"))
    image, attestation = seen["manifests"]
    assert seen == attested.index
    assert attestation["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert attestation["annotations"] == {
        "vnd.docker.reference.digest": image["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    assert sorted(attested.statements) == sorted([SPDX, PROVENANCE])


def test_statements_are_about_the_image_that_the_registry_has(attested: Attested) -> None:
    digest = attested.index["manifests"][0]["digest"].removeprefix("sha256:")
    for statement in attested.statements.values():
        assert [subject["digest"] for subject in statement["subject"]] == [{"sha256": digest}]
        assert statement["subject"][0]["name"].startswith(f"pkg:docker/{attested.name.replace(':1', '@1')}?platform=")


def test_the_sbom_is_valid_and_what_is_read_out_of_the_image_in_the_registry(
    attested: Attested, builder: Minibuild, tmp_path: Path
) -> None:
    document = attested.statements[SPDX]["predicate"]
    assert problems(json.dumps(document).encode(), tmp_path) == []
    assert json.loads(builder.succeed("sbom", attested.name)) == document
    fresh = json.loads(builder.succeed("sbom", "--fresh", attested.name))
    assert document["packages"][1:] == fresh["packages"][1:]
    names = [package["name"] for package in document["packages"]]
    assert {"app", "bash", "debian"} <= set(names)


def test_the_provenance_names_the_bases_by_the_digests_that_the_registry_has(
    attested: Attested, registry: Registry
) -> None:
    definition = attested.statements[PROVENANCE]["predicate"]["buildDefinition"]
    found = {item["uri"].partition("?")[0]: item["digest"] for item in definition["resolvedDependencies"]}
    bases = {"busybox@latest": "busybox:latest", "debian@bookworm": "debian:bookworm"}
    assert found == {
        f"pkg:docker/{uri}": {
            "sha256": registry.inspect(f"{registry.host}/library/{name}").digest.removeprefix("sha256:")
        }
        for uri, name in bases.items()
    }


def test_a_docker_daemon_pulls_runs_and_builds_upon_it(attested: Attested, dockerd: Dockerd, project: Project) -> None:
    dockerd.run("pull", attested.name)
    assert dockerd.run("run", "--rm", "--net=none", attested.name).stdout == PACKAGE
    root = project({"Dockerfile": f"FROM {attested.name}\nCOPY Dockerfile /\n"})
    dockerd.run("build", "-t", "upon:1", str(root))


def test_podman_pulls_it(attested: Attested) -> None:
    require("podman", root=True)
    # podman takes no path of more than 50 characters for its storage.
    with tempfile.TemporaryDirectory(prefix="podman") as place:
        podman = ("podman", f"--root={place}/root", f"--runroot={place}/run", "--storage-driver=vfs")
        run(*podman, "pull", "--tls-verify=false", attested.name)
        [found] = json.loads(run(*podman, "image", "inspect", attested.name))
    assert found["Config"]["Cmd"] == ["cat", "/app/package.json"]


def test_umoci_unpacks_the_image_that_skopeo_takes_for_this_machine(attested: Attested, tmp_path: Path) -> None:
    require("umoci", root=True)
    run("skopeo", "copy", "--src-tls-verify=false", f"docker://{attested.name}", f"oci:{tmp_path}/one:1")
    run("umoci", "unpack", "--image", f"{tmp_path}/one:1", tmp_path / "bundle")
    assert (tmp_path / "bundle/rootfs/app/package.json").read_text() == PACKAGE


def test_minibuild_pulls_runs_and_builds_upon_it(attested: Attested, builder: Minibuild, project: Project) -> None:
    require(root=True)
    builder.succeed("pull", attested.name)
    assert builder.succeed("run", "--rm", attested.name) == PACKAGE
    root = project({"Dockerfile": f"FROM {attested.name}\nRUN cat /app/package.json >/copy\n"})
    builder.succeed("build", "-t", "upon:1", root)
    assert builder.succeed("run", "--rm", "upon:1", "cat", "/copy") == PACKAGE


def test_a_layout_of_all_of_it_goes_on_to_another_registry(attested: Attested, registry: Registry) -> None:
    other = f"{registry.host}/attested/copy:1"
    run("skopeo", "copy", "--all", "--dest-tls-verify=false", f"oci:{attested.layout}:1", f"docker://{other}")
    seen = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{other}"))
    assert seen == attested.index


def test_each_of_several_platforms_has_its_own_and_a_daemon_takes_its_image(
    builder: Minibuild, registry: Registry, project: Project, dockerd: Dockerd
) -> None:
    name = f"{registry.host}/attested/several:1"
    root = project({"Dockerfile": "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n"})
    platforms = "--platform=linux/amd64,linux/arm64"
    builder.succeed("build", platforms, "--sbom", "--provenance", "-t", name, "--push", root)
    seen = json.loads(run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"))["manifests"]
    assert [entry["platform"]["architecture"] for entry in seen] == ["amd64", "arm64", "unknown", "unknown"]
    about = [entry["annotations"]["vnd.docker.reference.digest"] for entry in seen[2:]]
    assert about == [entry["digest"] for entry in seen[:2]]
    for platform in ("linux/amd64", "linux/arm64"):
        document = json.loads(builder.succeed("sbom", "--platform", platform, f"docker-image://{name}"))
        assert document["packages"][0]["versionInfo"] in about
    dockerd.run("pull", name)


def test_what_is_pushed_later_is_attested_as_the_registry_has_it(
    builder: Minibuild, registry: Registry, project: Project, tmp_path: Path
) -> None:
    name = f"{registry.host}/attested/later:1"
    builder.succeed("build", "--sbom", "-t", name, project({"Dockerfile": "FROM busybox\nCOPY Dockerfile /\n"}))
    builder.succeed("push", "-q", name)
    run("skopeo", "copy", "--all", "--src-tls-verify=false", f"docker://{name}", f"oci:{tmp_path}/layout:1")
    later = Attested(name, tmp_path / "layout")
    [statement] = later.statements.values()
    digest = later.index["manifests"][0]["digest"]
    assert statement["subject"][0]["digest"] == {"sha256": digest.removeprefix("sha256:")}
    assert statement["predicate"]["packages"][0]["versionInfo"] == digest


def test_a_plain_user_attests_what_root_does(anybody: Minibuild, debian_base: BaseImage, project: Project) -> None:
    assert debian_base
    require(root=True)
    root = project({"Dockerfile": f"FROM debian:bookworm\nRUN echo '{PACKAGE}' >/package.json\n"})
    anybody.succeed("build", "-t", "app:1", "--sbom", "--provenance=mode=max", root)
    packages = json.loads(anybody.succeed("sbom", "app:1"))["packages"]
    [app] = [package for package in packages if package["name"] == "app"]
    assert app["sourceInfo"].endswith(f": RUN /bin/sh -c echo '{PACKAGE}' >/package.json")
    assert "bash" in [package["name"] for package in packages]
