"""``minibuild kaniko`` as a person uses it, on Dockerfiles that need no RUN and no registry."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Minibuild


@pytest.fixture
def context(tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    (place / "Dockerfile").write_text("FROM scratch\nCOPY app.txt /srv/\n")
    (place / "app.txt").write_text("hello\n")
    return place


def test_the_digest_is_written_wherever_it_is_asked_for(minibuild: Minibuild, context: Path, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    words = ["--no-push", "-d", "r.example/app:1", "--oci-layout-path", layout, "--digest-file", "made/digest"]
    minibuild.succeed("kaniko", "-c", context, *words, "--image-name-with-digest-file", "name", cwd=tmp_path)
    [manifest] = json.loads((layout / "index.json").read_text())["manifests"]
    assert (tmp_path / "made/digest").read_text() == manifest["digest"]
    assert (tmp_path / "name").read_text() == f"r.example/app@{manifest['digest']}\n"


def test_the_log_ends_with_the_steps_that_were_run(minibuild: Minibuild, context: Path) -> None:
    minibuild.succeed("kaniko", "-c", context, "--no-push")
    assert minibuild("kaniko", "-c", context, "--no-push").stderr.endswith("steps   0 of 1 cached\n")
    assert minibuild("kaniko", "-c", context, "--no-push", "--cache").stderr.endswith("steps   1 of 1 cached\n")


def test_what_has_no_effect_is_told_before_the_build(minibuild: Minibuild, context: Path) -> None:
    done = minibuild("kaniko", "-c", context, "--no-push", "--force", "--push-retry=3")
    assert done.stderr.splitlines()[:2] == [
        "note: --force has no effect: minibuild unpacks nothing over the files that it runs among",
        "note: --push-retry has no effect: registries are asked five times, with growing pauses",
    ]


def test_a_certificate_that_is_not_there_is_refused(minibuild: Minibuild, context: Path) -> None:
    done = minibuild("kaniko", "-c", context, "-d", "r.example/a", "--registry-certificate", "r.example=nowhere.pem")
    assert (done.returncode, done.stderr) == (2, "error: --registry-certificate: there is no file nowhere.pem\n")


def test_a_build_that_fails_writes_no_digest(minibuild: Minibuild, context: Path, tmp_path: Path) -> None:
    (context / "app.txt").unlink()
    done = minibuild("kaniko", "-c", context, "--no-push", "--digest-file", tmp_path / "digest")
    assert (done.returncode, (tmp_path / "digest").exists()) == (4, False)


def test_called_executor_it_takes_the_executors_words(minibuild: Minibuild, context: Path, tmp_path: Path) -> None:
    executor = tmp_path / "kaniko/executor"
    executor.parent.mkdir()
    executor.write_text(f"#!{sys.executable}\nfrom minibuild.__main__ import main\nraise SystemExit(main())\n")
    executor.chmod(0o755)
    environment = minibuild.variables() | {"MINIBUILD_ROOT": str(minibuild.root)}
    subprocess.run([executor, "--context", context, "--no-push", "-d", "app:1"], env=environment, check=True)
    assert minibuild.succeed("images", "--format", "{{.Repository}}") == "app\n"
