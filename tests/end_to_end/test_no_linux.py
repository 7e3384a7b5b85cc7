"""Where there is no Linux: all is as ever but RUN, and that is done in a docker daemon's containers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from minibuild.oci import Platform, Reference
from minibuild.store import Store
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.elsewhere import LINUX_ONLY

pytestmark = pytest.mark.e2e

ELSEWHERE = Path(__file__).parent.parent / "elsewhere.py"
PACKAGE = Path(__file__).parent.parent.parent / "minibuild"

WITHOUT_RUN = """\
FROM scratch AS data
COPY deep /data
FROM busybox
ENV A=b
WORKDIR /app
COPY --chown=5:6 --chmod=640 file ./
COPY --from=data /data /data/
COPY <<EOF /inline
here
EOF
USER 5
CMD ["cat", "/app/file"]
"""
WITH_RUN = """\
FROM busybox
WORKDIR /app
COPY file .
RUN --mount=type=bind,target=/src cp /src/deep/inner . && chown 7:8 inner && rm /bin/vi && touch -d @1000 inner . /bin
RUN cat inner > /again && touch -d @1000 /again
"""


@dataclass(frozen=True)
class Elsewhere(Minibuild):
    """minibuild on a machine that is no Linux."""

    def command(self, *arguments: str | Path) -> list[str]:
        return [self.interpreter, str(ELSEWHERE), "--root", str(self.root), *map(str, arguments)]


@pytest.fixture
def elsewhere(minibuild: Minibuild, registry: Registry, busybox_base: BaseImage) -> Elsewhere:
    """It, with Docker Hub's ``busybox`` in a registry on loopback, and no daemon."""
    del busybox_base
    here = minibuild.with_mirror(registry).with_variables(DOCKER_HOST="unix:///nowhere", SOURCE_DATE_EPOCH="1000")
    return Elsewhere(here.root / "elsewhere", here.environment)


@pytest.fixture
def here(elsewhere: Elsewhere, tmp_path: Path) -> Minibuild:
    """This machine, with the same around it."""
    return Minibuild(tmp_path / "here", elsewhere.environment)


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A directory with a Dockerfile of each kind."""
    root = tmp_path / "context"
    (root / "deep").mkdir(parents=True)
    (root / "file").write_text("of the context\n")
    (root / "deep/inner").write_text("inner\n")
    (root / "Dockerfile").write_text(WITHOUT_RUN)
    (root / "Dockerfile.run").write_text(WITH_RUN)
    return root


def test_an_image_without_run_is_the_one_that_linux_makes(elsewhere: Elsewhere, here: Minibuild, context: Path) -> None:
    there = elsewhere.succeed("build", "--quiet", "--sbom", "-t", "app", context)

    assert there == here.succeed("build", "--quiet", "--sbom", "-t", "app", context)


def test_every_command_about_images_works(
    elsewhere: Elsewhere, registry: Registry, context: Path, tmp_path: Path
) -> None:
    name = f"{registry.host}/elsewhere:1"
    image = elsewhere.succeed("build", "--quiet", "-t", name, context).strip()
    archive, directory = tmp_path / "app.tar", tmp_path / "out"
    commands: list[tuple[str | Path, ...]] = [
        *(("images",), ("history", name), ("du",), ("check", context), ("plan", context), ("context", context)),
        *(("sbom", name), ("tag", name, "other"), ("rmi", "other"), ("save", "-o", archive, name)),
        *(("load", "-i", archive), ("push", name), ("pull", name), ("diff", name, f"docker-image://{name}")),
        *(("manifest", "create", "list", name), ("manifest", "inspect", "list"), ("squash", "-t", "flat", name)),
        *(("build", "-o", directory, context), ("build", "-o", directory, context), ("verify", context)),
        *(("lock", "-f", context / "Dockerfile", context), ("prune", "--force"), ("info",), ("version",)),
    ]
    for command in commands:
        elsewhere.succeed(*command)

    assert [one["Id"] for one in json.loads(elsewhere.succeed("inspect", name))] == [image]
    assert (directory / "app/file").read_text() == "of the context\n"


def layers(root: Path) -> list[str]:
    with Store.at(root) as store:
        image = store.resolve(Reference.parse("app"), Platform.of_this_machine())
    return [str(layer.diff_id) for layer in image.layers]


def test_run_is_done_in_a_daemon_and_gives_the_same_layers(
    elsewhere: Elsewhere, here: Minibuild, dockerd: Dockerd, context: Path
) -> None:
    words = ("build", "-f", context / "Dockerfile.run", "-t", "app", context)
    Elsewhere(elsewhere.root, {**elsewhere.environment, "DOCKER_HOST": dockerd.host}).succeed(*words)
    here.succeed(*words)

    assert layers(elsewhere.root) == layers(here.root)


def test_without_a_daemon_run_says_what_it_takes(elsewhere: Elsewhere, context: Path) -> None:
    done = elsewhere("build", "-f", context / "Dockerfile.run", context)

    assert done.returncode == 6
    assert "a file tree for RUN takes Linux, and this is darwin; docker: no docker daemon answers at" in done.stderr
    assert "hint: start a docker or podman machine for RUN, or let DOCKER_HOST name a daemon elsewhere" in done.stderr


def modules() -> Iterator[str]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def test_what_is_for_linux_alone_is_trees_and_runtimes_and_what_they_are_made_of() -> None:
    rooms = {name.split(".")[1] for name in modules() if LINUX_ONLY.fullmatch(name)}

    assert rooms == {"sandbox", "snapshots", "runtimes"}


def test_all_else_can_be_imported_without_it(elsewhere: Elsewhere) -> None:
    """All at once: what is in no test above must not fail on macOS either when its turn comes."""
    mains = {"minibuild.__main__"}
    names = [name for name in modules() if not LINUX_ONLY.fullmatch(name) and name not in mains]
    script = f"import sys; sys.path.insert(0, {str(ELSEWHERE.parent.parent)!r})\nfrom tests import elsewhere\n"
    script += f"elsewhere.become_another()\nfor name in {names!r}: __import__(name)"

    done = subprocess.run([elsewhere.interpreter, "-c", script], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
