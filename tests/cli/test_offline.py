"""``build --offline``: what the store has is taken unasked, what it lacks is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.test_add_url import Site, site
from tests.cli.conftest import Shell
from tests.servers.registry import RegistryServer

__all__ = ["site"]


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        running.add_image("a:1", bytes(1024))
        yield running


@pytest.fixture
def place(tmp_path: Path, server: RegistryServer, site: Site) -> Path:
    """A context whose Dockerfile takes an image and a download."""
    site.pages["/f"] = ({"ETag": '"1"'}, b"text")
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {server.host}/a:1\nADD {site.url}/f /f\n")
    return context


def test_what_was_had_once_is_taken_and_nobody_is_asked(
    shell: Shell, server: RegistryServer, site: Site, place: Path
) -> None:
    first = shell("build", "-q", str(place)).out
    server.requests.clear()
    site.asked.clear()
    assert shell("build", "-q", "--offline", str(place)).out == first
    assert shell("build", "-q", "--offline", "--no-cache", str(place)).status == 0
    assert (server.requests, site.asked) == ([], [])


def test_an_image_that_the_store_lacks_is_named_with_what_fetches_it(
    shell: Shell, server: RegistryServer, place: Path
) -> None:
    done = shell("build", "--offline", "--platform=linux/amd64", str(place))
    name = f"{server.host}/a:1"
    assert (done.status, server.requests) == (7, [])
    assert f"error: {name} for linux/amd64 isn't in the store, and --offline asks no registry" in done.err
    assert f"hint: minibuild pull --platform linux/amd64 {name}" in done.err


def test_a_download_that_the_store_lacks_is_named_with_its_place(shell: Shell, site: Site, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM scratch\nADD {site.url}/f /f\n")
    done = shell("build", "--offline", str(tmp_path))
    assert (done.status, site.asked, "Dockerfile:2:" in done.err) == (4, [], True)
    assert f"{site.url}/f isn't in the store as it is wanted, and --offline asks nobody" in done.err


def test_a_repository_is_not_asked(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nADD https://127.0.0.1:9/r.git /r\n")
    done = shell("build", "--offline", str(tmp_path))
    assert (done.status, "https://127.0.0.1:9/r.git is not asked: --offline" in done.err) == (4, True)


@pytest.mark.parametrize("words", ["--pull", "--push -t a:1", "--cache-to=type=registry,ref=a:1"])
def test_what_asks_a_registry_is_refused_before_anything_begins(shell: Shell, place: Path, words: str) -> None:
    done = shell("build", "--offline", *words.split(), str(place))
    assert (done.status, "error: --offline asks nobody, and " in done.err) == (2, True)


def test_a_cache_in_a_registry_is_passed_over_with_a_warning(shell: Shell, server: RegistryServer, place: Path) -> None:
    shell("build", "-q", str(place))
    server.requests.clear()
    done = shell("build", "--offline", f"--cache-from={server.host}/cache:1", str(place))
    assert (done.status, server.requests, "CacheUnavailable" in done.err) == (0, [], True)


def test_a_locked_build_is_the_same_without_a_network(shell: Shell, server: RegistryServer, place: Path) -> None:
    shell("lock", str(place))
    first = shell("build", "-q", "--locked", str(place)).out
    server.add_image("a:1", bytes(2048))
    assert shell("build", "-q", "--locked", "--offline", str(place)).out == first
