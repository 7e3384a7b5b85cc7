"""The tables of ``check --target`` against the builders that are here: Debian 12's docker 20.10 and podman 4.3."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from minibuild.checks.portability import TOOLS
from tests.checks.test_portability import CASES
from tests.daemons import Dockerd
from tests.differential.docker import BuildKit
from tests.machine import require

pytestmark = pytest.mark.e2e

Podman: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]

# What the old BuildKit reads and passes over; ADD of something from elsewhere would fail for want of a network.
PASSED_OVER = {"ADD --chmod with letters", "COPY --chmod with letters"}
OLD_PODMAN = [row.feature for row in TOOLS["podman"] if row.verdict == "refused" or "4.3 refuse" in row.explanation]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context with the files that the cases copy."""
    (tmp_path / "x").mkdir()
    for name in ("x/y", "x.tar"):
        (tmp_path / name).write_text("")
    return tmp_path


def write(context: Path, text: str) -> None:
    """Writes a case's Dockerfile, its bases from scratch."""
    text = re.sub(r"^(FROM (?:--platform=\S+ )?)[abc]\b", r"\1scratch", text, flags=re.MULTILINE)
    (context / "Dockerfile").write_text(text + "\n")


def classic(daemon: Dockerd, context: Path) -> subprocess.CompletedProcess[str]:
    """``docker build`` without BuildKit; the image is called ``ported``."""
    if not str(json.loads(daemon.run("version", "--format={{json .Server.Version}}").stdout)).startswith("20.10"):
        pytest.skip("the docker daemon is not 20.10, which the table tells of")
    return subprocess.run(
        ["docker", "build", "--no-cache", "--network=none", "--tag=ported", str(context)],
        env=os.environ | {"DOCKER_HOST": daemon.host, "DOCKER_BUILDKIT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """``podman`` 4.3 with a storage of its own, whose path is short: podman takes none of more than 50 characters."""
    require("podman", root=True)
    if " 4.3." not in subprocess.run(["podman", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("podman is not 4.3, which the table tells of")
    with tempfile.TemporaryDirectory(prefix="ported-") as place:
        storage = [f"--root={place}/root", f"--runroot={place}/run", "--storage-driver=vfs"]

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            command = ["podman", *storage, *words]
            return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)

        yield run
        run("system", "reset", "--force")


@pytest.mark.parametrize("feature", [row.feature for row in TOOLS["legacy"] if row.verdict == "refused"])
def test_the_classic_builder_refuses(dockerd: Dockerd, context: Path, feature: str) -> None:
    write(context, CASES[feature][0])
    done = classic(dockerd, context)
    assert done.returncode != 0
    assert re.search(r"Unknown flag|requires BuildKit|failed to parse platform|unknown instruction", done.stderr)


@pytest.mark.parametrize(
    ("text", "label"),
    [("ENV A=env\nARG A=arg\nLABEL l=$A", "env"), ("ARG TARGETARCH\nLABEL l=-$TARGETARCH", "-")],
    ids=["ARG over ENV", "a variable of the platform"],
)
def test_the_classic_builder_takes_variables_otherwise(dockerd: Dockerd, context: Path, text: str, label: str) -> None:
    write(context, f"FROM scratch\n{text}")
    assert classic(dockerd, context).returncode == 0
    assert json.loads(dockerd.run("image", "inspect", "--format={{json .Config.Labels}}", "ported").stdout) == {
        "l": label
    }


@pytest.mark.parametrize("feature", [row.feature for row in TOOLS["docker"] if row.feature not in PASSED_OVER])
def test_an_old_frontend_refuses(dockerd: Dockerd, context: Path, feature: str) -> None:
    write(context, CASES[feature][0])
    classic(dockerd, context)  # skips where the daemon is another
    done = BuildKit.of(dockerd).build(context, context / "Dockerfile", [])
    assert done.returncode != 0
    assert re.search(r"Unknown flag|unexpected key|unknown instruction|missing ':' in substitution", done.stderr)


@pytest.mark.parametrize("feature", OLD_PODMAN)
def test_an_old_podman_refuses(podman: Podman, context: Path, feature: str) -> None:
    write(context, CASES[feature][0])
    done = podman("build", "--isolation=chroot", str(context))
    assert done.returncode != 0
    refusals = r"only supports? the|in substitution|parsing chmod|should have syntax|no such file or directory"
    assert re.search(refusals, done.stderr), done.stderr


@pytest.mark.parametrize("feature", ["HEALTHCHECK", "ONBUILD", "SHELL"])
def test_podman_drops_what_oci_has_no_place_for(podman: Podman, context: Path, feature: str) -> None:
    write(context, CASES[feature][0])
    done = podman("build", "--isolation=chroot", str(context))
    assert done.returncode == 0
    assert f"{feature} is not supported for OCI image format" in done.stderr


def test_podman_lets_env_win_and_runs_shell_forms_by_sh(podman: Podman, context: Path) -> None:
    write(context, 'FROM scratch\nENV A=env\nARG A=arg\nLABEL l=$A\nSHELL ["/bin/other"]\nCMD x')
    assert podman("build", "--isolation=chroot", "--tag=ported", str(context)).returncode == 0
    [image] = json.loads(podman("image", "inspect", "ported").stdout)
    assert (image["Labels"]["l"], image["Config"]["Cmd"]) == ("env", ["/bin/sh", "-c", "x"])
