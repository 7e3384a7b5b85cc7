"""``minibuild verify`` and ``diff`` on what real commands make, by root and by a plain user, and others pack."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.accounts import open_directory
from tests.command import Minibuild
from tests.daemons import Registry
from tests.end_to_end.conftest import Project
from tests.machine import require

pytestmark = pytest.mark.e2e

STEADY = (
    "FROM busybox AS made\nRUN mkdir -p /d && echo x > /d/x && chown 7:8 /d/x\nFROM busybox\nCOPY --from=made /d /d\n"
)
RANDOM = """\
FROM busybox AS made
RUN mkdir -p /etc/ssh /d && echo x > /d/x
RUN head -c 100 /dev/urandom > /d/random \\
    && chown 7:8 /d/random
FROM busybox
COPY --from=made /d /d
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that other users can reach."""
    with open_directory() as path:
        yield path


def test_a_steady_build_is_reproducible_once_its_times_are_cut_down(anybody: Minibuild, project: Project) -> None:
    root = str(project({"Dockerfile": STEADY}))
    done = anybody("verify", "--progress=quiet", root)
    assert (done.returncode, "/d mtime: " in done.stdout, "--rewrite-timestamp" in done.stdout) == (1, True, True)
    done = anybody("verify", "--progress=quiet", "--rewrite-timestamp", root)
    assert (done.returncode, done.stdout.partition(":")[0], done.stderr) == (0, "reproducible", "")


def test_a_random_file_is_blamed_on_the_step_that_wrote_it_and_nothing_is_left(
    anybody: Minibuild, project: Project
) -> None:
    done = anybody("verify", "--progress=quiet", "--rewrite-timestamp", str(project({"Dockerfile": RANDOM})))
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[3:6] == [
        "Dockerfile:3:1: layer 3 of stage made: 1 of 2 entries differ",
        "3 | RUN head -c 100 /dev/urandom > /d/random \\",
        "  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^",
    ]
    assert lines[6].startswith("  /d/random content: sha256:")
    assert list((anybody.root / "tmp").iterdir()) == []


def test_a_build_is_compared_with_what_a_registry_has(builder: Minibuild, registry: Registry, project: Project) -> None:
    root, name = str(project({"Dockerfile": STEADY})), f"{registry.host}/verify/app:1"
    builder.succeed(
        *("build", "--source-date-epoch=1234567890", "-o", f"type=registry,name={name},rewrite-timestamp=true", root)
    )
    fresh = builder.at(builder.root.with_name("fresh"))
    done = fresh("verify", "--progress=quiet", "--rewrite-timestamp", "--against", f"docker-image://{name}", root)
    assert (done.returncode, done.stderr) == (0, "")
    assert fresh("diff", "--progress=quiet", name, "busybox").returncode == 1


def test_all_platforms_in_a_registry_are_compared(builder: Minibuild, registry: Registry, project: Project) -> None:
    root, name = project({"Dockerfile": "FROM scratch\nCOPY f /f\n", "f": "one"}), f"{registry.host}/verify/both:1"
    builder.succeed(
        "build", "--platform=linux/amd64,linux/arm64", "-t", "both", "-o", f"type=registry,name={name}", str(root)
    )
    assert builder("diff", "--progress=quiet", "both", f"docker-image://{name}").returncode == 0
    builder.succeed("build", "--platform=linux/arm64", "-t", "alone", str(project({"f": "two"})))
    done = builder("diff", "--progress=quiet", f"docker-image://{name}", "alone")
    assert (done.returncode, "  /f content: " in done.stdout, "linux/amd64" in done.stdout) == (1, True, False)


def test_what_skopeo_packed_anew_is_the_same_image(builder: Minibuild, project: Project, tmp_path: Path) -> None:
    require("skopeo")
    builder.succeed(
        "build", "-t", "app", "-o", f"type=oci,dest={tmp_path}/app.tar", str(project({"Dockerfile": STEADY}))
    )
    words = ["skopeo", "copy", "-q", f"oci-archive:{tmp_path}/app.tar", f"docker-archive:{tmp_path}/docker.tar"]
    subprocess.run(words, check=True)
    done = builder("diff", "--format=json", "--progress=quiet", "app", f"docker-archive:{tmp_path}/docker.tar")
    assert (done.returncode, json.loads(done.stdout)["equal"]) == (0, True)
