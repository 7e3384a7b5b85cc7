"""The README's promises: the quickstart, and the image that the test suite runs in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Registry
from tests.machine import require

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parent.parent.parent
WORKPLACES = shutil.ignore_patterns(".*cache*", ".tox", ".venv", ".git", ".hypothesis", "__pycache__")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project as a fresh clone has it."""
    return Path(shutil.copytree(PROJECT, tmp_path / "minibuild", ignore=WORKPLACES))


def test_the_readmes_one_command_builds_and_shows_the_quickstart(checkout: Path) -> None:
    require("apt-get", "python3")
    readme = (checkout / "README.md").read_text()
    [command] = re.findall(r"^sh fixtures/quickstart/\S+$", readme, re.MULTILINE)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("MINIBUILD_", "PYTHON"))}
    done = subprocess.run(
        command.split(), cwd=checkout, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^Hello, \w+! Today is \w+day, and this was built without a daemon\.$", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("This image was proved.\n")


@pytest.mark.timeout(900)
def test_the_unit_tests_pass_inside_the_image_that_minibuild_makes_for_them(
    minibuild: Minibuild,
    registry: Registry,
    debian_base: BaseImage,  # noqa: ARG001
    checkout: Path,
) -> None:
    builder = minibuild.with_mirror(registry)
    builder.succeed("build", "-f", checkout / "Dockerfile.test", "-t", "minibuild-tests", checkout, timeout=600)
    done = builder("run", "--rm", "minibuild-tests", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^=* ?\d+ passed", done.stdout, re.MULTILINE), done.stdout
