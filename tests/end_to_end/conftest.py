"""What end-to-end tests start from: minibuild with the registry in Docker Hub's place, and small projects to build."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Registry

Project: TypeAlias = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def builder(minibuild: Minibuild, registry: Registry, busybox_base: BaseImage) -> Minibuild:  # noqa: ARG001
    """minibuild with an empty store; Docker Hub's ``busybox`` comes from the registry on loopback."""
    return minibuild.with_mirror(registry)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes files (path → content) into a directory ``project`` and answers it."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "project"
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
        return root

    return write
