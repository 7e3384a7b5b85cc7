"""Locks of repositories and contexts from elsewhere, out of real servers on loopback."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from minibuild.build.journal import Journal
from minibuild.build.locking.lock import Lock
from minibuild.build.locking.locking import locked
from minibuild.build.request import BuildRequest
from minibuild.errors import ContextError
from minibuild.events import silent
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store
from tests.build.test_add_repository import Repository, repository
from tests.build.test_add_url import Site, checksum, site
from tests.build.test_engine import Bench

__all__ = ["repository", "site"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "context").mkdir()
    return Bench(tmp_path / "context", tmp_path / "store")


def lock(bench: Bench, dockerfile: str, **wishes: object) -> Lock:
    (bench.context / "Dockerfile").write_text(dockerfile)
    request = replace(BuildRequest(str(bench.context)), **wishes)  # type: ignore[arg-type]
    with Store.at(bench.root) as store:
        return locked(request, store, Journal(silent), Cancellation(), "minibuild.lock")


def test_a_locked_branch_gives_its_commit_after_it_went_on(bench: Bench, repository: Repository) -> None:
    dockerfile = f"FROM scratch\nADD {repository.url}#main:docs /d/\n"
    found = lock(bench, dockerfile)
    was = repository.git("rev-parse", "HEAD")
    repository.commit("three")
    assert found.digests["repositories"] == {f"{repository.url}#main": was}
    assert bench.read(bench.build(dockerfile, lock=found).image, "d/f") == "two"
    assert bench.read(bench.build(dockerfile).image, "d/f") == "three"
    assert list(found.differences(lock(bench, dockerfile))) == [
        f"repository {repository.url}#main is {repository.git('rev-parse', 'HEAD')} now, it has {was}"
    ]


def test_what_names_its_commit_is_in_no_lock(bench: Bench, repository: Repository, site: Site) -> None:
    site.pages["/f"] = ({}, b"text")
    first = repository.first
    said = f"ADD --checksum={checksum(b'text')} {site.url}/f /f\n"
    dockerfile = f"FROM scratch\nADD {repository.url}#{first} /a\nADD --checksum={first} {repository.url} /b\n{said}"
    found = lock(bench, dockerfile)
    assert found == Lock("minibuild.lock", {"images": {}, "downloads": {}, "repositories": {}})
    assert bench.read(bench.build(dockerfile, lock=found).image, "b/docs/f") == "one"


def test_a_locked_step_that_is_cached_asks_nobody(bench: Bench, repository: Repository, site: Site) -> None:
    site.pages["/f"] = ({}, b"text")
    dockerfile = f"FROM scratch\nADD {repository.url} /r\nADD {site.url}/f /f\n"
    found = lock(bench, dockerfile)
    first = bench.build(dockerfile, lock=found)
    site.asked.clear()
    offline = {"MINIBUILD_OFFLINE": "1"}
    assert bench.build(dockerfile, lock=found, environment=offline).image.id == first.image.id
    assert site.asked == []


def test_a_named_context_is_locked_too(bench: Bench, repository: Repository) -> None:
    named = {"docs": f"{repository.url}#main:docs"}
    dockerfile = "FROM scratch\nCOPY --from=docs f /f\n"
    found = lock(bench, dockerfile, named_contexts=named)
    repository.commit("three")
    image = bench.build(dockerfile, lock=found, named_contexts=named).image
    assert bench.read(image, "f") == "two"


def test_what_the_lock_lacks_is_told_with_its_place(bench: Bench, site: Site) -> None:
    empty = Lock("minibuild.lock", {})
    with pytest.raises(ContextError, match=r"is not in minibuild\.lock") as caught:
        bench.build(f"FROM scratch\nADD {site.url}/f /f\n", lock=empty)
    assert (caught.value.span is not None and caught.value.span.line, site.asked) == (2, [])


def test_credentials_stay_out_of_the_lock(bench: Bench, site: Site) -> None:
    site.pages["/f"] = ({}, b"text")
    url = site.url.replace("//", "//me:secret@")
    found = lock(bench, f"FROM scratch\nADD {url}/f?a=b /f\n")
    assert found.digests["downloads"] == {f"{site.url}/f?a=b": checksum(b"text")}


def test_a_lock_reads_as_it_was_written(tmp_path: Path) -> None:
    images = {"b": f"sha256:{'0' * 64}", "a": f"sha256:{'1' * 64}"}
    lock = Lock(str(tmp_path / "l"), {"images": images, "downloads": {}, "repositories": {}})
    (tmp_path / "l").write_bytes(lock.encode())
    assert Lock.read(tmp_path / "l") == lock
    assert lock.encode().decode().splitlines()[2:5] == [
        '  "images": {',
        f'    "a": "sha256:{"1" * 64}",',
        f'    "b": "sha256:{"0" * 64}"',
    ]
