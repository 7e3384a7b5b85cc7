"""``minibuild lock`` and ``build --locked``, with a registry and a web server inside the test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.build.test_add_url import Site, checksum, site
from tests.cli.conftest import Shell
from tests.servers.registry import RegistryServer

__all__ = ["site"]

ONE, TWO = bytes(1024), bytes(2048)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        running.add_image("a:1", ONE)
        running.add_image("b:1")
        yield running


@pytest.fixture
def place(tmp_path: Path, server: RegistryServer, site: Site) -> Path:
    """A context whose Dockerfile takes two images and a download; all that it takes is locked."""
    site.pages["/f"] = ({"ETag": '"1"'}, b"text")
    context = tmp_path / "context"
    context.mkdir()
    text = f"FROM {server.host}/b:1\nFROM {server.host}/a:1\nADD {site.url}/f /f\n"
    (context / "Dockerfile").write_text(text)
    return context


def lock_of(place: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads((place / "minibuild.lock").read_text())
    return document


def test_the_lock_names_what_all_stages_take(shell: Shell, server: RegistryServer, site: Site, place: Path) -> None:
    assert shell("lock", str(place)).status == 0
    assert lock_of(place) == {
        "version": 1,
        "images": {
            f"{server.host}/a:1": server.add_image("a:1", ONE),
            f"{server.host}/b:1": server.add_image("b:1"),
        },
        "downloads": {f"{site.url}/f": checksum(b"text")},
    }


def test_a_lock_is_the_same_whenever_nothing_moved(shell: Shell, place: Path) -> None:
    shell("lock", str(place))
    first = (place / "minibuild.lock").read_bytes()
    assert (shell("lock", "--check", str(place)).status, shell("lock", str(place)).status) == (0, 0)
    assert (place / "minibuild.lock").read_bytes() == first


def test_a_tag_that_moved_is_told_by_a_check_and_no_matter_to_a_locked_build(
    shell: Shell, server: RegistryServer, place: Path
) -> None:
    shell("lock", str(place))
    words = ("build", "-q", "--source-date-epoch=0", str(place))
    first = shell(*words, "--locked").out
    server.add_image("a:1", TWO)
    checked = shell("lock", "--check", str(place))
    elsewhere = Shell(shell.root.with_name("elsewhere"), shell.capture)
    assert (checked.status, f"image {server.host}/a:1 is sha256:" in checked.err) == (1, True)
    assert elsewhere(*words, "--locked").out == first
    assert elsewhere(*words, "--pull").out not in ("", first)


def test_what_is_not_in_the_lock_is_told_with_its_place(shell: Shell, server: RegistryServer, place: Path) -> None:
    shell("lock", str(place))
    (place / "Dockerfile").write_text(f"FROM {server.host}/a:2\n")
    done = shell("build", "--locked", str(place))
    assert (done.status, "Dockerfile:1:6: error: " in done.err) == (7, True)
    assert f"image {server.host}/a:2 is not in {place}/minibuild.lock" in done.err


def test_a_download_that_changed_is_refused(shell: Shell, site: Site, place: Path) -> None:
    shell("lock", str(place))
    site.pages["/f"] = ({"ETag": '"2"'}, b"other")
    elsewhere = Shell(shell.root.with_name("elsewhere"), shell.capture)
    done = elsewhere("build", "--locked", str(place))
    assert (done.status, "Dockerfile:3:" in done.err) == (4, True)
    assert f"/f holds {checksum(b'other')}, {place}/minibuild.lock says {checksum(b'text')}" in done.err


def test_what_the_store_has_is_not_asked_for(shell: Shell, server: RegistryServer, site: Site, place: Path) -> None:
    shell("lock", str(place))
    shell("build", "-q", "--locked", str(place))
    server.requests.clear()
    site.asked.clear()
    assert shell("build", "-q", "--locked", str(place)).status == 0
    assert (server.requests, site.asked) == ([], [])


@pytest.mark.parametrize("text", ["", "[]", '{"version": 2}', '{"version": 1, "images": {"a": "b"}}'])
def test_what_is_no_lock_is_refused(shell: Shell, place: Path, text: str) -> None:
    (place / "minibuild.lock").write_text(text)
    done = shell("build", "--locked", str(place))
    assert (done.status, f"error: {place}/minibuild.lock " in done.err) == (4, True)


def test_a_lock_that_is_not_there_is_named_with_what_writes_it(shell: Shell, place: Path) -> None:
    done = shell("build", "--locked", str(place))
    assert (done.status, "hint: minibuild lock writes it" in done.err) == (4, True)


def test_locked_and_pull_contradict_each_other(shell: Shell, place: Path) -> None:
    shell("lock", str(place))
    assert shell("build", "--locked", "--pull", str(place)).status == 2
