"""``minibuild.build()``: what a Python program calls."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

import minibuild
from minibuild.build.surroundings import Secret


@pytest.fixture
def context(tmp_path: Path) -> Path:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text('FROM scratch\nARG V=0\nLABEL v=$V\nCOPY <<A /a\nhello\nA\nCMD ["/a"]\n')
    return context


def test_a_program_builds_as_often_as_it_likes(context: Path, tmp_path: Path) -> None:
    images = [minibuild.build(context, root=tmp_path / "store", build_args={"V": value}) for value in ("1", "1", "2")]
    assert [image.config.config.labels["v"] for image in images] == ["1", "1", "2"]
    assert images[0] == images[1]


def test_an_archive_has_the_image_under_its_names(context: Path, tmp_path: Path) -> None:
    minibuild.build(context, root=tmp_path / "store", tags=["app:1"], archive=tmp_path / "app.tar")
    with tarfile.open(tmp_path / "app.tar") as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        assert json.load(manifest)[0]["RepoTags"] == ["app:1"]


def test_the_errors_say_what_and_where(context: Path, tmp_path: Path) -> None:
    (context / "Dockerfile").write_text("FROM scratch\nRUM x\n")
    with pytest.raises(minibuild.DockerfileError) as caught:
        minibuild.build(context, root=tmp_path / "store")
    assert caught.value.span is not None
    assert (caught.value.message, caught.value.span.line) == ("unknown instruction RUM", 2)


def test_it_answers_one_image_and_so_takes_one_platform(context: Path, tmp_path: Path) -> None:
    assert minibuild.build(context, root=tmp_path / "store", platform="arm64").config.platform.architecture == "arm64"
    with pytest.raises(minibuild.UsageError) as caught:
        minibuild.build(context, root=tmp_path / "store", platform="amd64,arm64")
    assert caught.value.message == "'amd64,arm64' names several platforms, wanted one"


@pytest.mark.parametrize("given", ["välue", "välue".encode(), b"\xff\x00"])
def test_a_secret_is_text_or_bytes(given: str | bytes) -> None:
    assert Secret.of(given).read("s") == (given.encode() if isinstance(given, str) else given)


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    assert Secret.of(tmp_path / "token").read("s") == b"t0ken"
