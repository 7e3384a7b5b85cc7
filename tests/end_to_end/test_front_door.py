"""The README's promises: the quickstart, and the image that the test suite runs in."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parent.parent.parent
WORKPLACES = shutil.ignore_patterns(".*cache*", ".tox", ".venv", ".git", ".hypothesis", "__pycache__")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The project as a fresh clone has it."""
    return Path(shutil.copytree(PROJECT, tmp_path / "minibuild", ignore=WORKPLACES))


def test_the_readmes_one_command_builds_and_shows_the_quickstart_on_a_fresh_debian(
    dockerd: Dockerd, debian_base: BaseImage, checkout: Path
) -> None:
    [command] = re.findall(r"^sh fixtures/quickstart/\S+$", (checkout / "README.md").read_text(), re.MULTILINE)
    dockerd.run("load", "-i", str(debian_base.archive))
    # A machine: it has Python, and makes namespaces, as a container by default must not.
    machine = ("--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined", "--security-opt=systempaths=unconfined")
    script = f"(apt-get update && apt-get install -y --no-install-recommends python3) >/dev/null 2>&1; {command}"
    options = ("--rm", "--net=host", *machine, f"--volume={checkout}:/src", "--workdir=/src")
    done = dockerd.run("run", *options, debian_base.name, "sh", "-c", script, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(
        r"^Hello, root! Today is \w+day, and this was built without a daemon\.$", done.stdout, re.MULTILINE
    )
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
