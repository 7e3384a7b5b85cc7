"""A plain user inside a container as docker starts it by default: proot runs RUN, and without it all else is built."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.accounts import open_directory
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.end_to_end.conftest import Project
from tests.end_to_end.test_plain_container import (
    MOUNTS,
    PACKAGES,
    Contained,
    builder,
    check_mounts,
    in_place,
    layers_in,
)
from tests.end_to_end.test_plain_user import FILES
from tests.machine import require

pytestmark = pytest.mark.e2e
__all__ = ["builder"]

UID = 1000
# Ours may be in root's home.
PYTHON = "/usr/bin/python3"
AS_PLAIN_USER = (f"--user={UID}:{UID}", "--env=TMPDIR=/dev/shm")
# What is there that nobody may run hides what may be run further along.
WITHOUT_PROOT = ("--volume=/dev/null:/usr/bin/proot:ro",)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that the user can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture
def contained(dockerd: Dockerd, registry: Registry, busybox_base: BaseImage, tmp_path: Path) -> Contained:
    require("proot")
    dockerd.run("load", "-i", str(busybox_base.archive))
    (tmp_path / "inside").mkdir()
    os.chown(tmp_path / "inside", UID, UID)
    return Contained(dockerd, tmp_path / "inside", f"docker.io=http://{registry.host}", AS_PLAIN_USER, PYTHON)


def test_the_image_is_the_one_that_root_makes_but_for_owners(
    contained: Contained, builder: Minibuild, project: Project
) -> None:
    unowned = FILES["Dockerfile"].replace("chown -R 70:71 /srv/deep && chown 65000:65000 /srv/deep/x", "true")
    files = in_place(contained, project({**FILES, "Dockerfile": unowned}))
    os.utime(files / "file", (0, 0))

    said = contained.succeed("build", "-t", "owners", "--progress=plain", files)

    builder.succeed("build", "-t", "owners", files)
    assert "nobody can be given a file here: what a RUN makes is its user's" in said
    assert layers_in(contained.succeed("inspect", "owners")) == layers_in(builder.succeed("inspect", "owners"))


def test_what_is_mounted_elsewhere_is_there_and_leaves_nothing(
    contained: Contained, builder: Minibuild, project: Project
) -> None:
    check_mounts(contained, builder, in_place(contained, project({"Dockerfile": MOUNTS, "key": "a secret"})))


@pytest.mark.usefixtures("debian_base")
def test_packages_are_installed(contained: Contained, project: Project) -> None:
    said = contained.succeed("build", "--progress=plain", in_place(contained, project({"Dockerfile": PACKAGES})))

    assert "4.2.5" in said and "what a RUN makes is its user's" in said


def test_without_proot_a_build_without_run_is_done(contained: Contained, project: Project) -> None:
    contained = replace(contained, options=(*AS_PLAIN_USER, *WITHOUT_PROOT))
    files = in_place(contained, project({"Dockerfile": "FROM busybox\nCOPY --chown=7:8 . /srv\n", "file": "x"}))

    contained.succeed("build", "-t", "copied", files)

    assert "/srv" in contained.succeed("history", "--no-trunc", "copied")


def test_without_proot_a_run_is_an_error_that_says_what_to_install(contained: Contained, project: Project) -> None:
    contained = replace(contained, options=(*AS_PLAIN_USER, *WITHOUT_PROOT))
    files = in_place(contained, project({"Dockerfile": "FROM busybox\nRUN true\n"}))

    status, said = contained("build", files)

    assert status == 6
    assert "error: a user namespace can't be made: operation not permitted" in said
    assert "proot is not installed" in said and "hint: install proot (Debian: apt-get install proot)" in said


def test_info_says_what_runs(contained: Contained) -> None:
    said = contained.succeed("info")

    assert "RUN           not as root: a user namespace can't be made: operation not permitted" in said
    assert "proot          works (used)" in said


CLOSED = """\
FROM busybox
RUN mkdir -p /closed/in && echo x > /closed/in/f && echo r > /closed/r && chmod 444 /closed/r && \\
    touch -d @0 /closed/in/f /closed/r /closed/in /closed && chmod 000 /closed/in/f /closed/in /closed
RUN echo y > /closed/in/g && touch -d @0 /closed/in/* /closed/in /closed && chmod 0 /closed/in/g && chmod 555 /closed
RUN cat /closed/in/f /closed/in/g && rm /closed/r && touch -d @0 /closed && chmod 444 /closed/in/f
"""


def test_what_is_closed_to_all_is_open_to_root_and_stays_closed(
    contained: Contained, builder: Minibuild, project: Project
) -> None:
    files = in_place(contained, project({"Dockerfile": CLOSED}))
    words = ("build", "-t", "closed", "--progress=plain", files)

    contained.succeed(*words)

    builder.succeed(*words)
    assert layers_in(contained.succeed("inspect", "closed")) == layers_in(builder.succeed("inspect", "closed"))
