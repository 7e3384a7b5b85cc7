"""What a build attaches to its results, and where it goes with them."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from minibuild.build.attesting.wishes import Attestations
from minibuild.build.request import BuildResult
from minibuild.build.surroundings import Secret, Surroundings
from minibuild.events import silent
from minibuild.layers.compressing import Compression
from minibuild.oci import Digest, Image, ImageIndex, Platform, Reference
from minibuild.oci.attestation import SLSA_PROVENANCE, SPDX, statements_in
from minibuild.store import Store
from minibuild.store.collect import collect
from minibuild.transports.local import LocalDirectory
from minibuild.transports.oci_layout import OciLayout
from minibuild.transports.tar import TarFile
from minibuild.version import __version__
from tests.build.test_engine import Bench

APP = Reference.parse("app:1")
BOTH = Attestations(sbom=True, provenance="max")
DOCKERFILE = """\
FROM scratch AS base
COPY package.json /app/
FROM base
ARG TOKEN=none VERSION
COPY f /
"""


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "context").mkdir()
    bench = Bench(tmp_path / "context", tmp_path / "store")
    bench.write(f="one", **{"package.json": '{"name": "a", "version": "1.0.0", "license": "MIT"}'})
    return bench


def statements(bench: Bench, index: object, number: int = 0) -> dict[str, Any]:
    """What is attached to an image of an index, by the types of predicates."""
    assert isinstance(index, ImageIndex)
    [artifact] = index.attached_to(index.images[number])
    with Store.at(bench.root) as store:
        return {kind: json.loads(store.open(blob).read()) for kind, blob in statements_in(artifact).items()}


def provenance(bench: Bench, result: BuildResult) -> Any:
    return statements(bench, result.image)[SLSA_PROVENANCE]["predicate"]


def test_without_a_wish_an_image_is_an_image(bench: Bench) -> None:
    assert isinstance(bench.build(DOCKERFILE, tags=(APP,)).image, Image)


def test_an_index_has_the_image_that_the_build_makes_otherwise_and_statements_about_it(bench: Bench) -> None:
    alone = bench.build(DOCKERFILE).image
    index = bench.build(DOCKERFILE, tags=(APP,), attestations=BOTH).image
    assert isinstance(index, ImageIndex)
    assert index.images == (alone,)
    found = statements(bench, index)
    subject = {
        "name": f"pkg:docker/app@1?platform={str(Platform.of_this_machine()).replace('/', '%2F')}",
        "digest": {"sha256": alone.digest.hex},
    }
    assert {kind: one["subject"] for kind, one in found.items()} == {SPDX: [subject], SLSA_PROVENANCE: [subject]}
    assert [package["name"] for package in found[SPDX]["predicate"]["packages"]] == ["app:1", "a"]
    with Store.at(bench.root) as store:
        assert store.images.listed() == ((APP, index),)


def test_each_platforms_image_has_statements_of_its_own(bench: Bench) -> None:
    platforms = (Platform("linux", "amd64"), Platform("linux", "riscv64"))
    index = bench.build(DOCKERFILE, platforms=platforms, tags=(APP,), attestations=BOTH).image
    told = [statements(bench, index, number)[SLSA_PROVENANCE] for number in (0, 1)]
    asked = [one["predicate"]["buildDefinition"]["externalParameters"]["platform"] for one in told]
    assert asked == ["linux/amd64", "linux/riscv64"]
    assert told[0]["subject"] != told[1]["subject"]


def test_little_is_told_of_how_it_was_made_unless_more_is_wished(bench: Bench) -> None:
    result = bench.build(DOCKERFILE, attestations=Attestations(provenance="min"), build_arguments={"VERSION": "7"})
    assert provenance(bench, result) == {
        "buildDefinition": {
            "buildType": "urn:minibuild:dockerfile:v1",
            "externalParameters": {
                "context": "local",
                "dockerfile": {"name": "Dockerfile", "digest": {"sha256": Digest.of(DOCKERFILE.encode()).hex}},
                "target": "1",
                "platform": str(Platform.of_this_machine()),
            },
            "resolvedDependencies": [],
        },
        "runDetails": {"builder": {"id": "urn:minibuild:builder", "version": {"minibuild": __version__}}},
    }


def test_all_but_secrets_is_told_where_it_is_wished(bench: Bench) -> None:
    token = f"ghp_{'a1B2' * 9}"
    arguments = {"TOKEN": token, "VERSION": "7", "HTTP_PROXY": "http://me:word@proxy.example"}
    wishes = Attestations(provenance="max", builder="https://ci.example/7")
    told = provenance(bench, bench.build(DOCKERFILE, attestations=wishes, build_arguments=arguments))
    definition, run = told["buildDefinition"], told["runDetails"]
    assert definition["externalParameters"]["buildArguments"] == {"TOKEN": "ghp_" + "*" * 36, "VERSION": "7"}
    assert definition["internalParameters"]["dockerfile"] == {"name": "Dockerfile", "content": DOCKERFILE}
    last = definition["internalParameters"]["steps"][-1]
    key = Digest.parse(last.pop("key"))
    assert last == {"stage": 1, "number": 3, "line": 5, "instruction": "COPY f /"}
    with Store.at(bench.root) as store:
        assert store.records.has(key)
    assert run["builder"]["id"] == "https://ci.example/7"
    assert sorted(run["metadata"]) == ["finishedOn", "invocationId", "startedOn"]
    assert token not in json.dumps(told)


def test_a_secret_that_stands_where_it_should_not_is_not_told_once_more(bench: Bench) -> None:
    secrets = {"token": Secret.of("correct horse battery")}
    dockerfile = DOCKERFILE.replace("VERSION", "VERSION='correct horse battery'")
    wishes = {"surroundings": Surroundings(secrets=secrets), "build_arguments": {"TOKEN": "correct horse battery"}}
    told = provenance(bench, bench.build(dockerfile, attestations=BOTH, **wishes))
    assert "horse" not in json.dumps(told)
    assert told["buildDefinition"]["externalParameters"]["buildArguments"] == {"TOKEN": "***"}


@pytest.mark.parametrize("mode", ["min", "max"])
def test_with_an_epoch_the_same_build_attests_the_same(bench: Bench, tmp_path: Path, mode: str) -> None:
    wishes = {"attestations": Attestations(sbom=True, provenance=mode), "source_date_epoch": 7, "tags": (APP,)}
    first = bench.build(DOCKERFILE, **wishes).image
    again = Bench(bench.context, tmp_path / "other").build(DOCKERFILE, **wishes).image
    assert first.digest == again.digest


def test_base_images_and_downloads_are_what_it_was_made_of(bench: Bench) -> None:
    base = bench.build("FROM scratch\nCOPY f /\n", tags=(Reference.parse("base:2"),)).image
    dockerfile = "FROM base:2\nCOPY --from=base:2 f /g\n"
    told = provenance(bench, bench.build(dockerfile, attestations=Attestations(provenance="min")))
    platform = str(Platform.of_this_machine()).replace("/", "%2F")
    assert told["buildDefinition"]["resolvedDependencies"] == [
        {"uri": f"pkg:docker/base@2?platform={platform}", "digest": {"sha256": base.digest.hex}}
    ]


def test_statements_are_about_the_manifest_that_compressed_layers_give(bench: Bench) -> None:
    index = bench.build(DOCKERFILE, tags=(APP,), attestations=BOTH).image
    with Store.at(bench.root) as store:
        packed = store.repacked(index, Compression("gzip"))
    assert packed.images[0].digest != index.images[0].digest
    found = statements(bench, packed)
    digests = {one["subject"][0]["digest"]["sha256"] for one in found.values()}
    assert digests == {packed.images[0].digest.hex}
    assert found[SPDX]["predicate"]["packages"][0]["versionInfo"] == packed.images[0].digest
    assert index.images[0].digest.hex not in json.dumps(found)


def test_statements_stay_as_long_as_the_index_has_a_name(bench: Bench) -> None:
    index = bench.build(DOCKERFILE, tags=(APP,), attestations=BOTH).image
    with Store.at(bench.root) as store:
        collect(store)
        assert store.images.find_any(APP) == index
    assert sorted(statements(bench, index)) == sorted([SPDX, SLSA_PROVENANCE])


def test_a_layout_has_statements_as_blobs(bench: Bench, tmp_path: Path) -> None:
    index = bench.build(DOCKERFILE, tags=(APP,), attestations=BOTH).image
    assert isinstance(index, ImageIndex)
    with Store.at(bench.root) as store:
        OciLayout(tmp_path / "layout").export(index, [APP], store, silent)
    for artifact in index.attached:
        for digest in [artifact.digest, artifact.config_descriptor.digest, *(blob.digest for blob in artifact.blobs)]:
            assert Digest.of((tmp_path / "layout/blobs/sha256" / digest.hex).read_bytes()) == digest


def test_a_directory_has_statements_about_its_files(bench: Bench, tmp_path: Path) -> None:
    index = bench.build(DOCKERFILE, attestations=BOTH).image
    with Store.at(bench.root) as store:
        LocalDirectory(tmp_path / "out").export(index, [], store, silent)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "app",
        "f",
        "provenance.json",
        "sbom.spdx.json",
    ]
    for name, kind in (("sbom.spdx.json", SPDX), ("provenance.json", SLSA_PROVENANCE)):
        told = json.loads((tmp_path / "out" / name).read_text())
        assert told["predicateType"] == kind
        assert [subject["name"] for subject in told["subject"]] == ["app/package.json", "f"]
        assert told["subject"][1]["digest"] == {"sha256": Digest.of(b"one").hex}


def test_a_tar_of_several_platforms_has_statements_in_each_ones_directory(bench: Bench, tmp_path: Path) -> None:
    platforms = (Platform("linux", "amd64"), Platform("linux", "riscv64"))
    index = bench.build(DOCKERFILE, platforms=platforms, attestations=Attestations(sbom=True)).image
    with Store.at(bench.root) as store:
        TarFile(tmp_path / "out.tar").export(index, [], store, silent)
    with tarfile.open(tmp_path / "out.tar") as tar:
        names = [name for name in tar.getnames() if name.endswith(".json")]
    both = ("app/package.json", "sbom.spdx.json")
    assert names == [f"linux_{name}/{file}" for name in ("amd64", "riscv64") for file in both]
