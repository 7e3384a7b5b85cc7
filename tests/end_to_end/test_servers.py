"""The servers that other tests stand on: they serve, and they go when their users do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.bases import BaseImage
from tests.daemons import Dockerd, Registry

pytestmark = pytest.mark.e2e

USER_OF_A_REGISTRY = """
import sys, time
from pathlib import Path
from tests import daemons

with daemons.registry(Path(sys.argv[1])) as server:
    print(server.host, flush=True)
    time.sleep(600)
"""


@pytest.mark.usefixtures("busybox_base")
def test_the_registry_serves_busybox_under_docker_hubs_name(registry: Registry) -> None:
    with urllib.request.urlopen(f"http://{registry.host}/v2/library/busybox/tags/list") as answer:
        assert "latest" in json.load(answer)["tags"]


def test_the_daemon_runs_busybox(dockerd: Dockerd, busybox_base: BaseImage) -> None:
    dockerd.run("load", "-i", str(busybox_base.archive))
    done = dockerd.run("run", "--rm", "--net", "none", "busybox:latest", "echo", "hello")
    assert done.stdout == "hello\n"


def test_a_server_goes_when_the_last_of_its_users_is_killed(tmp_path: Path) -> None:
    users = [
        subprocess.Popen(
            [sys.executable, "-c", USER_OF_A_REGISTRY, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent.parent,
        )
        for _ in range(2)
    ]
    hosts = [user.stdout.readline().strip() for user in users if user.stdout]
    assert hosts[0] == hosts[1]

    users[0].kill()
    users[0].wait()
    assert _answers(hosts[0])

    os.kill(users[1].pid, signal.SIGKILL)
    users[1].wait()
    deadline = time.monotonic() + 20
    while _answers(hosts[0]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _answers(hosts[0])


def _answers(host: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{host}/v2/", timeout=5):
            return True
    except OSError:
        return False
