"""--load into podman, as root and as a plain user, and into what calls itself nerdctl: Debian has none of the real."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.accounts import PlainUser, open_directory
from tests.command import Minibuild
from tests.end_to_end.conftest import Project
from tests.machine import require

pytestmark = pytest.mark.e2e

DOCKERFILE = 'FROM scratch\nCOPY file /file\nLABEL a=b\nCMD ["x"]\n'


@dataclass(frozen=True)
class Podman:
    """minibuild, and a podman of the same user with a storage of its own."""

    minibuild: Minibuild

    def __call__(self, *words: str) -> str:
        command = [*self.minibuild.prefix, "podman", *words]
        done = subprocess.run(command, env=self.minibuild.variables(), capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory that all users can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture(params=["root", "plain user"])
def podman(request: pytest.FixtureRequest, minibuild: Minibuild) -> Iterator[Podman]:
    require("podman", "newuidmap", root=True)
    with tempfile.TemporaryDirectory(prefix="podman-") as name:
        place = Path(name)
        place.chmod(0o755)
        settings = place / "storage.conf"
        home = place / "home"
        if request.param == "plain user":
            user: PlainUser = request.getfixturevalue("account")
            minibuild = minibuild.at(user.own_directory(home) / "store").as_user(user, home)
        paths = f'graphroot = "{home}/graph"\nrunroot = "{home}/run"\n'
        settings.write_text(f'[storage]\ndriver = "vfs"\n{paths}')
        podman = Podman(minibuild.with_variables(CONTAINERS_STORAGE_CONF=str(settings), PATH=os.environ["PATH"]))
        yield podman
        podman("system", "reset", "--force")


def test_podman_has_the_image_that_was_built(podman: Podman, project: Project) -> None:
    root = project({"Dockerfile": DOCKERFILE, "file": "x" * 10_000})
    assert podman.minibuild.succeed("build", "--load=podman", "-t", "app:1", root) == ""
    [found] = json.loads(podman("image", "inspect", "app:1"))
    [own] = json.loads(podman.minibuild.succeed("inspect", "app:1"))
    assert f"sha256:{found['Id']}" == own["Id"]
    assert (found["Config"]["Cmd"], found["Labels"]) == (["x"], {"a": "b"})


def test_nerdctl_is_given_an_archive_on_its_standard_input(
    minibuild: Minibuild, project: Project, tmp_path: Path
) -> None:
    program = tmp_path / "bin/nerdctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >{tmp_path}/words\ncat >{tmp_path}/got.tar\n')
    program.chmod(0o755)
    root = project({"Dockerfile": DOCKERFILE, "file": "x"})
    loading = minibuild.with_variables(PATH=f"{program.parent}:{os.environ['PATH']}")
    loading.succeed("build", "-o", "type=nerdctl,compression=gzip", "-t", "app:1", root)
    assert (tmp_path / "words").read_text() == "image load\n"
    assert minibuild.succeed("load", "-q", "-i", tmp_path / "got.tar") == "Loaded image: app:1\n"


def test_a_program_that_is_not_there_is_named(minibuild: Minibuild, project: Project, tmp_path: Path) -> None:
    root = project({"Dockerfile": DOCKERFILE, "file": "x"})
    done = minibuild.with_variables(PATH=str(tmp_path))("build", "--load=podman", root)
    assert (done.returncode, done.stderr.splitlines()[-2:]) == (
        6,
        [
            "error: podman isn't installed",
            "hint: install it, or write an archive for it: -o type=docker,dest=FILE",
        ],
    )


def test_what_a_program_refuses_is_an_error(minibuild: Minibuild, project: Project, tmp_path: Path) -> None:
    program = tmp_path / "bin/podman"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho no room >&2\nexit 125\n")
    program.chmod(0o755)
    root = project({"Dockerfile": DOCKERFILE, "file": "x" * 3_000_000})
    done = minibuild.with_variables(PATH=f"{program.parent}:{os.environ['PATH']}")("build", "--load=podman", root)
    assert done.returncode == 7
    assert "error: podman refuses the image\nhint: podman itself says why, above" in done.stderr
    assert "no room" in done.stderr
