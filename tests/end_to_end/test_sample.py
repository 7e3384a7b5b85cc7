"""The sample of many a tutorial, to the letter: built, loaded into a real daemon, run as supervisord."""

from __future__ import annotations

import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry

pytestmark = pytest.mark.e2e

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
SAMPLE = FIXTURES / "node-supervisord"


@dataclass(frozen=True)
class Built:
    """The sample after its build: who built it, what the build said, and the name it has in the daemon."""

    minibuild: Minibuild
    log: str
    name: str


@pytest.fixture(scope="module")
def sample(
    tmp_path_factory: pytest.TempPathFactory,
    registry: Registry,
    dockerd: Dockerd,
    node_base: BaseImage,  # noqa: ARG001
) -> Built:
    """The sample, built from an empty store into an archive that ``docker load`` took."""
    place = tmp_path_factory.mktemp("sample")
    minibuild = Minibuild(place / "store").with_mirror(registry)
    archive = place / "sample.tar"
    done = minibuild("build", "-t", "sample:1", "-o", f"type=docker,dest={archive}", SAMPLE, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "sample:1" in dockerd.run("load", "-i", str(archive)).stdout
    return Built(minibuild, done.stderr, "sample:1")


def test_the_daemon_shows_what_the_dockerfile_says(sample: Built, dockerd: Dockerd) -> None:
    config = dockerd.inspect(sample.name)["Config"]
    assert isinstance(config, dict)
    assert config["Labels"] == {"maintainer": "", "rating": "Five Stars", "class": "First Class"}
    assert config["WorkingDir"] == "/data/app"
    assert config["Cmd"] == ["supervisord", "-n"]
    assert config["Entrypoint"] == ["docker-entrypoint.sh"]
    assert config["User"] == "root"
    assert config["Env"][-2:] == ["AP=/data/app", "SCPATH=/etc/supervisor/conf.d"]
    assert "NODE_VERSION=18.13.0" in config["Env"]


def test_a_warning_says_that_email_is_not_defined_and_what_was_meant(sample: Built) -> None:
    place = "Dockerfile:4:21"
    warning = re.search(rf"{place}: warning: .*email.*", sample.log)
    assert warning, sample.log
    assert 'LABEL "maintainer"=$email' in sample.log
    assert "did you mean emali?" in sample.log


def test_the_end_says_how_to_load_the_archive(sample: Built) -> None:
    assert re.search(r"docker load -i \S+/sample\.tar", sample.log), sample.log


def test_supervisord_is_the_first_process_and_the_program_answers(sample: Built, dockerd: Dockerd) -> None:
    with running(dockerd, sample.name) as (container, ask):
        assert ask("7") == "7 is odd (is-odd is not installed)\n"
        assert ask("8") == "8 is even (is-odd is not installed)\n"
        assert "supervisord" in dockerd.run("exec", container, "cat", "/proc/1/cmdline").stdout
        assert dockerd.run("exec", container, "pwd").stdout == "/data/app\n"


def test_with_package_json_the_dependency_is_installed(sample: Built, dockerd: Dockerd) -> None:
    load = sample.minibuild.with_variables(DOCKER_HOST=dockerd.host)
    done = load("build", "-t", "sample-json", "--load", FIXTURES / "node-supervisord-json")
    assert done.returncode == 0, done.stderr
    with running(dockerd, "sample-json") as (_, ask):
        assert ask("7") == "7 is odd (by is-odd)\n"


def test_steps_above_the_line_that_differs_are_cached(sample: Built) -> None:
    done = sample.minibuild("build", FIXTURES / "node-supervisord-json", "--progress=plain")
    assert done.returncode == 0, done.stderr
    assert step_is_cached(done.stderr, "RUN apt-get -y install supervisor")


@pytest.mark.parametrize("base", ["docker.io/node:18.13.0", "docker.io/library/node:18.13.0"])
def test_a_longer_name_of_the_base_is_the_same_base(sample: Built, tmp_path: Path, base: str) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text((SAMPLE / "Dockerfile").read_text().replace("node:18.13.0", base, 1))
    first = sample.minibuild.succeed("build", "-q", SAMPLE)
    assert sample.minibuild.succeed("build", "-q", "-f", dockerfile, SAMPLE) == first


def test_a_variant_updates_apts_lists_first(sample: Built, tmp_path: Path) -> None:
    text = (SAMPLE / "Dockerfile").read_text()
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(text.replace("RUN apt-get -y install", "RUN apt-get -y update\nRUN apt-get -y install", 1))
    sample.minibuild.succeed("build", "-t", "updated", "-f", dockerfile, SAMPLE, timeout=600)
    version = sample.minibuild.succeed("run", "--rm", "updated", "supervisord", "--version")
    assert re.fullmatch(r"\d+\.\d+\.\d+", version.strip())


def step_is_cached(log: str, instruction: str) -> bool:
    """Whether a plain log says CACHED for the activity whose title ends with the instruction."""
    started = re.search(rf"^#(\d+) \[.*\] {re.escape(instruction)}$", log, re.MULTILINE)
    assert started, log
    return f"#{started[1]} CACHED" in log


@contextmanager
def running(dockerd: Dockerd, image: str) -> Iterator[tuple[str, Callable[[str], str]]]:
    """A container of an image on the host's network: its ID, and what asks its program."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    container = dockerd.run("run", "-d", "--net", "host", "-e", f"PORT={port}", image).stdout.strip()

    def ask(path: str) -> str:
        deadline = time.monotonic() + 30
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
                    return str(answer.read().decode())
            except OSError:
                log = dockerd.run("logs", container, check=False)
                assert time.monotonic() < deadline, log.stdout + log.stderr
                time.sleep(0.1)

    try:
        yield container, ask
    finally:
        dockerd.run("rm", "-f", container)
