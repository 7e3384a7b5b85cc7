"""What a RUN knows and what an image keeps of it: variables, the name of the machine, secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import Minibuild
from tests.end_to_end.conftest import Project

pytestmark = pytest.mark.e2e

SECRET = "correct-horse-battery-staple"


def said(builder: Minibuild, root: Path, *words: str | Path) -> set[str]:
    """What a build prints, line by line, without the numbers and times before."""
    done = builder("build", "--progress=plain", *words, root)
    assert done.returncode == 0, done.stderr
    return {line.split(" ", 2)[-1] for line in done.stderr.splitlines()}


def test_a_secret_that_a_run_leaves_in_its_layer_is_warned_of_by_place_and_name_alone(
    builder: Minibuild, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(SECRET)
    run = "RUN --mount=type=secret,id=token mkdir /etc/n && (printf 'auth='; base64 < /run/secrets/token) > /etc/n/rc\n"
    root = project({"Dockerfile": f"FROM busybox\n{run}RUN --mount=type=secret,id=token cat /run/secrets/token\n"})

    done = builder("build", "--progress=plain", "--secret", f"id=token,src={tmp_path}/token", root)

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("secret token is in the layer of this RUN: /etc/n/rc (SecretInLayer)") == 1
    assert "Dockerfile:2:1: warning: secret token" in done.stderr
    assert SECRET not in done.stderr


def test_a_run_knows_the_machine_by_buildkits_name_or_the_one_that_is_given(
    builder: Minibuild, project: Project
) -> None:
    root = project({"Dockerfile": "FROM busybox\nRUN hostname && grep -w $(hostname) /etc/hosts\n"})
    for words, name in (((), "buildkitsandbox"), (("--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=builder-1"), "builder-1")):
        assert {name, f"127.0.0.1\tlocalhost {name}"} <= said(builder, root, *words)


def test_files_that_are_the_machine_s_are_not_kept_and_that_is_told_but_the_image_s_hostname_is(
    builder: Minibuild, project: Project, tmp_path: Path
) -> None:
    run = "RUN echo 1.2.3.4 db >> /etc/hosts && echo kept > /etc/hostname && grep -w db /etc/hosts\n"
    root = project(
        {"Dockerfile": f"FROM busybox\n{run}RUN cat /etc/hosts /etc/resolv.conf /etc/hostname > /dev/null\n"}
    )

    done = builder("build", "--progress=plain", "-o", tmp_path / "out", root)

    assert done.returncode == 0, done.stderr
    [warning] = [line for line in done.stderr.splitlines() if "WriteNotKept" in line]
    assert "Dockerfile:2:1: warning: this RUN wrote to /etc/hosts, which is not part of the image" in warning
    assert sorted(path.name for path in (tmp_path / "out" / "etc").iterdir()) == [
        "group",
        "hostname",
        "passwd",
        "shadow",
    ]
    assert (tmp_path / "out" / "etc" / "hostname").read_text() == "kept\n"
