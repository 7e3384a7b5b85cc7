"""``minibuild pin``: a Dockerfile whose images get digests, from a registry inside the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.servers.registry import RegistryServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RegistryServer]:
    with RegistryServer() as running:
        running.add_image("a:1")
        (tmp_path / "Dockerfile").write_text(f"FROM {running.host}/a:1\n")
        (tmp_path / "Dockerfile").chmod(0o640)
        yield running


def test_the_file_is_written_and_keeps_its_mode(shell: Shell, server: RegistryServer, tmp_path: Path) -> None:
    digest = server.add_image("a:1")
    done = shell("pin", str(tmp_path))
    file = tmp_path / "Dockerfile"
    assert (done.status, file.read_text()) == (0, f"FROM {server.host}/a:1@{digest}\n")
    assert done.err == f"{file}:1:6: {server.host}/a:1 is {digest}\n"
    assert (file.stat().st_mode & 0o777, sorted(path.name for path in tmp_path.iterdir())) == (0o640, ["Dockerfile"])


@pytest.mark.usefixtures("server")
def test_diff_shows_what_would_be_written_and_writes_nothing(shell: Shell, tmp_path: Path) -> None:
    before = (tmp_path / "Dockerfile").read_text()
    done = shell("pin", "--diff", str(tmp_path))
    assert done.out.splitlines()[2:4] == ["@@ -1 +1 @@", f"-{before.strip()}"]
    assert (tmp_path / "Dockerfile").read_text() == before


def test_check_tells_what_has_no_digest_and_asks_nobody(shell: Shell, server: RegistryServer, tmp_path: Path) -> None:
    done = shell("pin", "--check", str(tmp_path))
    assert (done.status, server.requests) == (1, [])
    assert f"Dockerfile:1:6: error: {server.host}/a:1 has no digest" in done.err
    shell("pin", str(tmp_path))
    assert shell("pin", "--check", str(tmp_path)).status == 0


def test_an_image_that_is_not_there_is_told_by_its_place(shell: Shell, server: RegistryServer, tmp_path: Path) -> None:
    text = f"FROM {server.host}/a:1\nCOPY --from={server.host}/none:1 /x /\n"
    (tmp_path / "Dockerfile").write_text(text)
    done = shell("pin", str(tmp_path))
    assert (done.status, "Dockerfile:2:13: error: " in done.err) == (7, True)
    assert (tmp_path / "Dockerfile").read_text() == text


def test_a_name_made_of_variables_is_left_and_told(shell: Shell, server: RegistryServer, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"ARG V=1\nFROM {server.host}/a:$V\n")
    done = shell("pin", str(tmp_path))
    assert "is left as it is: variables are a part of it" in done.err
