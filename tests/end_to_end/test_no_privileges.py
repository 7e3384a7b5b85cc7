"""A Dockerfile without RUN builds as a plain user, without a namespace or a mount: an attempt kills the process."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from tests.accounts import let_in
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.machine import require

pytestmark = pytest.mark.e2e

SANDBOXED = Path(__file__).parent.parent / "sandboxed.py"
FILES = {
    "Dockerfile": """
FROM busybox AS data
WORKDIR /data
COPY --chown=www-data:users app.sh ./
ADD archive.tar.gz unpacked/

FROM busybox
COPY --from=data /data /srv
COPY --chmod=4755 app.sh /bin/app
USER nobody
CMD ["app"]
""",
    "app.sh": "#!/bin/sh\ncat /srv/unpacked/inner.txt\n",
    "inner.txt": "from the archive\n",
}


def sandboxed(manner: str) -> tuple[str, ...]:
    """Words that take namespaces and mounts from the program behind them."""
    interpreter = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    return interpreter, str(SANDBOXED), manner


@pytest.fixture
def plain(minibuild: Minibuild, registry: Registry, tmp_path: Path) -> Minibuild:
    """minibuild as ``nobody``, killed at the first namespace or mount; its store and the project are nobody's own."""
    require("setpriv", root=True)
    let_in(tmp_path)
    minibuild.root.mkdir()
    os.chown(minibuild.root, 65534, 65534)
    return minibuild.with_mirror(registry).as_nobody(*sandboxed("kill"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose Dockerfile has no RUN."""
    root = tmp_path / "project"
    root.mkdir()
    for name, content in FILES.items():
        (root / name).write_text(content)
    with tarfile.open(root / "archive.tar.gz", "w:gz") as archive:
        archive.add(root / "inner.txt", "inner.txt")
    return root


@pytest.mark.usefixtures("busybox_base")
def test_it_builds_an_image_that_runs(plain: Minibuild, project: Path, dockerd: Dockerd) -> None:
    archive = plain.root / "image.tar"
    plain.succeed("build", "-t", "plain:1", "-o", f"type=docker,dest={archive}", project)
    dockerd.run("load", "-i", str(archive))
    assert dockerd.run("run", "--rm", "--net", "none", "plain:1").stdout == "from the archive\n"
    listing = dockerd.run("run", "--rm", "--net", "none", "plain:1", "ls", "-ln", "/srv", "/bin/app").stdout
    assert "-rwsr-xr-x    1 0        0" in listing
    assert "1 33       100" in listing


@pytest.mark.usefixtures("busybox_base")
def test_a_second_build_is_cached(plain: Minibuild, project: Path) -> None:
    first = plain.succeed("build", "-q", project)
    again = plain("build", "--progress=plain", project)
    assert again.returncode == 0, again.stderr
    assert " DONE " not in "".join(line for line in again.stderr.splitlines() if "COPY" in line)
    assert plain.succeed("build", "-q", project) == first


@pytest.mark.usefixtures("busybox_base")
def test_it_writes_a_directory_and_an_oci_layout(plain: Minibuild, project: Path, busybox_base: BaseImage) -> None:
    tree, layout = plain.root / "tree", plain.root / "layout"
    plain.succeed("build", "-o", f"type=local,dest={tree}", project)
    plain.succeed("build", "-o", f"type=oci,dest={layout},tar=false", project)
    assert (tree / "srv/unpacked/inner.txt").read_text() == "from the archive\n"
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    assert busybox_base.name == "busybox:latest"


def without_proot(*rest: str) -> tuple[str, ...]:
    """Words that hide proot from the program behind them."""
    return ("unshare", "--mount", "sh", "-c", 'mount --bind /dev/null "$(command -v proot)" && exec "$@"', "sh", *rest)


@pytest.mark.usefixtures("busybox_base")
def test_a_run_has_no_runtime_there_but_proot_which_is_said(plain: Minibuild, project: Path) -> None:
    require("proot", root=True)
    (project / "Dockerfile").write_text("FROM busybox\nRUN true\n")
    confined = plain.as_nobody(*sandboxed("refuse"))
    done = confined.with_prefix(*without_proot(*confined.prefix))("build", project)
    assert done.returncode == 6, done.stderr
    assert "Dockerfile:2:1" in done.stderr
    assert "operation not permitted" in done.stderr.lower()
    assert "Traceback" not in done.stderr
