"""What a build is said to be made of: downloads and repositories, out of real servers on loopback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from minibuild.build.attesting.materials import place_of
from minibuild.build.attesting.wishes import Attestations
from minibuild.oci import Digest, ImageIndex
from minibuild.oci.attestation import statements_in
from minibuild.store import Store
from tests.build.test_engine import Bench
from tests.machine import require
from tests.servers.files import FileServer
from tests.servers.repositories import commit, serving


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "context").mkdir()
    return Bench(tmp_path / "context", tmp_path / "store")


def definition(bench: Bench, dockerfile: str, **wishes: object) -> Any:
    """The build definition in the provenance of a build."""
    index = bench.build(dockerfile, attestations=Attestations(provenance="min"), **wishes).image
    assert isinstance(index, ImageIndex)
    with Store.at(bench.root) as store:
        [blob] = statements_in(index.attached[0]).values()
        return json.loads(store.open(blob).read())["predicate"]["buildDefinition"]


def test_a_download_is_named_by_what_it_held(bench: Bench) -> None:
    with FileServer({"/f?token=secret": b"one"}) as server:
        dockerfile = f"FROM scratch\nADD {server.url}/f?token=secret /\n"
        first, cached = (definition(bench, dockerfile)["resolvedDependencies"] for _ in range(2))
    assert first == [{"uri": f"{server.url}/f?…", "digest": {"sha256": Digest.of(b"one").hex}}]
    assert cached == first


def test_a_repository_is_named_by_its_commit(bench: Bench, tmp_path: Path) -> None:
    require("git")
    head = commit(tmp_path / "served/r.git", {"f": "one"})
    with serving(tmp_path / "served") as address:
        found = definition(bench, f"FROM scratch\nADD {address}/r.git#main /\n")
    assert found["resolvedDependencies"] == [{"uri": f"{address}/r.git#main", "digest": {"gitCommit": head}}]


def test_a_context_out_of_a_repository_is_one_too(bench: Bench, tmp_path: Path) -> None:
    require("git")
    head = commit(tmp_path / "served/r.git", {"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "one"})
    with serving(tmp_path / "served") as address:
        place = f"{address}/r.git#main"
        found = definition(bench, "", context=place)
    assert found["externalParameters"]["context"] == place
    assert found["resolvedDependencies"] == [{"uri": place, "digest": {"gitCommit": head}}]


def test_a_dockerfile_out_of_the_web_is_named_by_what_it_held(bench: Bench) -> None:
    with FileServer({"/Dockerfile": b"FROM scratch\nLABEL a=b\n"}) as server:
        place = f"{server.url}/Dockerfile"
        found = definition(bench, "", context=place)
    digest = {"sha256": Digest.of(b"FROM scratch\nLABEL a=b\n").hex}
    assert found["resolvedDependencies"] == [{"uri": place, "digest": digest}]
    assert found["externalParameters"]["dockerfile"] == {"name": place, "digest": digest}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("/home/me/secret-project", "local"),
        (".", "local"),
        ("-", "local"),
        ("https://me:word@example.org/r.git#main:docs", "https://example.org/r.git#main:docs"),
        ("https://me:word@example.org/c.tgz?sig=x", "https://example.org/c.tgz?…"),
        ("docker-image://alpine:3", "docker-image://alpine:3"),
    ],
)
def test_a_context_is_told_without_credentials_and_paths(words: str, said: str) -> None:
    assert place_of(words) == said
