"""Every ``fixtures/corpus/<case>/``, built upon stand-ins by minibuild and, where it can, by Docker's BuildKit.

Both make the same image, or where only minibuild can build it, the one that ``<case>.tree.txt`` lists.
``MINIBUILD_UPDATE_GOLDEN=1`` rewrites those; read the difference before you commit it.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator

import pytest

from tests import bases, daemons
from tests.command import Minibuild
from tests.daemons import Dockerd
from tests.differential import comparison
from tests.differential.cases import CORPUS, FIXTURES, Case
from tests.differential.context import TIME
from tests.differential.docker import BuildKit
from tests.differential.workshop import Workshop
from tests.machine import require
from tests.servers import repositories
from tests.servers.files import FileServer

pytestmark = pytest.mark.e2e

BY_BOTH = [pytest.param(case, id=case.name) for case in CORPUS if case.is_for_docker]
SAME_HISTORY = [pytest.param(case, id=case.name) for case in CORPUS if not case.is_only_here]
BY_US = [pytest.param(case, id=case.name) for case in CORPUS if not case.is_for_docker]
UPDATE = os.environ.get("MINIBUILD_UPDATE_GOLDEN") == "1"


def archive() -> bytes:
    """What the corpus downloads as ``data.tar.gz``; it is never compressed twice, so that its bytes stay the same."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as opened:
        entry = tarfile.TarInfo("data/table.csv")
        entry.size, entry.mtime = 4, TIME
        opened.addfile(entry, io.BytesIO(b"a,b\n"))
    import gzip

    return gzip.compress(packed.getvalue(), mtime=0)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What Dockerfiles fetch: files of a web server, a repository, a key for ssh."""
    require("git", "ssh-keygen")
    base = tmp_path_factory.mktemp("places")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", base / "key"], check=True)
    repository = base / "served" / "library.git"
    repositories.commit(repository, {"README": "a library\n", "include/library.h": "#pragma once\n"})
    repositories.git(repository, "tag", "v1.0")
    files = {"/tool.bin": b"tool of the mirror\n", "/run.sh": b"#!/bin/sh\n", "/data.tar.gz": archive()}
    with FileServer(files) as server, repositories.serving(base / "served") as git:
        server.modified = TIME
        yield {"files": f"http://{server.host}", "git": git, "key": str(base / "key")}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    """A daemon apart from that of other tests, which would take the stand-ins for the images themselves."""
    require("dockerd", "docker", root=True)
    with daemons.dockerd(tmp_path_factory.mktemp("stage")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def workshop(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    stage: Dockerd,
    places: dict[str, str],
) -> Iterator[Workshop]:
    """Both builders with the same stand-ins in their stores, at work on the cases that this run asks for."""
    require("apt-get", "dpkg-deb", "bash-static")
    place = tmp_path_factory.mktemp("corpus")
    stand_ins = place / "stand-ins.tar"
    make = [sys.executable, FIXTURES / "stand-ins" / "stand_ins.py", bases.busybox().archive]
    subprocess.run([*make, str(shutil.which("bash-static")), stand_ins], check=True)
    stage.run("load", "-i", str(stand_ins))
    minibuild = Minibuild(place / "store")
    minibuild.succeed("load", "-i", stand_ins)
    workshop = Workshop(place, minibuild, BuildKit.of(stage), places=places)
    workshop.begin_asked(request)
    yield workshop
    workshop.close()


@pytest.mark.parametrize("case", BY_BOTH)
def test_files_are_those_that_docker_makes(workshop: Workshop, case: Case) -> None:
    ours, dockers = workshop.both(case)
    assert comparison.files_of(ours.image, case) == comparison.files_of(dockers.image, case)


@pytest.mark.parametrize("case", BY_BOTH)
def test_the_configuration_is_the_one_that_docker_makes(workshop: Workshop, case: Case) -> None:
    ours, dockers = workshop.both(case)
    assert comparison.configuration_of(ours.image) == comparison.configuration_of(dockers.image)


@pytest.mark.parametrize("case", SAME_HISTORY)
def test_the_history_is_the_one_that_docker_writes(workshop: Workshop, case: Case) -> None:
    ours, dockers = workshop.both(case)
    assert comparison.history_of(ours.image) == comparison.history_of(dockers.image)


@pytest.mark.parametrize("case", BY_US)
def test_what_docker_cant_build_is_the_tree_that_is_listed(workshop: Workshop, case: Case) -> None:
    listing = comparison.listing(workshop.ours(case).image)
    golden = case.directory.with_suffix(".tree.txt")
    if UPDATE:
        golden.write_text(listing)
    assert listing == golden.read_text()
