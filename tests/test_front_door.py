"""The package as a library: what a program sees that imports it."""

from __future__ import annotations

from pathlib import Path

import minibuild


def test_it_builds_again_and_again(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    images = [minibuild.build(tmp_path, root=tmp_path / "store") for _ in range(2)]
    assert images[0] == images[1]


def test_it_takes_the_words_of_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    image = minibuild.build(str(tmp_path), dockerfile=str(tmp_path / "Dockerfile"), root=tmp_path / "store")
    assert image.config.config.labels == {"a": "b"}
