"""Real servers for tests, as small classes: a docker daemon and a registry, shared by the workers of one test run."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEEPER = Path(__file__).with_name("keeper.py")
START_S = 60


@dataclass(frozen=True)
class Dockerd:
    """A docker daemon without networks of its own; ``host`` is its DOCKER_HOST."""

    host: str

    def run(self, *arguments: str, check: bool = True, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """``docker ARGUMENTS`` against this daemon; raises AssertionError with its output if it fails."""
        done = subprocess.run(
            ["docker", *arguments],
            env=os.environ | {"DOCKER_HOST": self.host},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return _checked(done) if check else done

    def inspect(self, image: str) -> dict[str, object]:
        """What ``docker image inspect`` says about an image."""
        [found] = json.loads(self.run("image", "inspect", image).stdout)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Pushed:
    """An image in a registry, as skopeo sees it: digests of manifest, configuration and layers, the layers' types."""

    digest: str
    config_digest: str
    layers: tuple[str, ...]
    layer_types: tuple[str, ...]


@dataclass(frozen=True)
class Registry:
    """A registry over http; ``host`` is ``localhost:PORT``."""

    host: str

    def push(self, image: Path, name: str) -> str:
        """Pushes a docker archive or an OCI layout under ``repository:tag`` and answers the full reference."""
        source = f"oci:{image}" if image.is_dir() else f"docker-archive:{image}"
        self.copy(source, f"docker://{self.host}/{name}")
        return f"{self.host}/{name}"

    def inspect(self, name: str) -> Pushed:
        """What is there under ``host/repository:tag``."""
        command = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}"]
        raw = _checked(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)).stdout
        manifest = json.loads(raw)
        layers = manifest["layers"]
        return Pushed(
            f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}",
            manifest["config"]["digest"],
            tuple(layer["digest"] for layer in layers),
            tuple(layer["mediaType"] for layer in layers),
        )

    def copy(self, source: str, target: str) -> None:
        """``skopeo copy`` between any two places, no TLS asked of them."""
        command = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false", source, target]
        _checked(subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300))


@contextmanager
def dockerd(base: Path) -> Iterator[Dockerd]:
    """A daemon whose socket and data are below ``base``; whoever comes first starts it, the last one gone stops it."""
    place = base / "dockerd"
    socket = place / "socket"
    command = [
        # A mount namespace of its own, for it leaves a mount behind when it stops.
        *("unshare", "--mount", "--propagation=slave"),
        _daemon("dockerd"),
        f"--host=unix://{socket}",
        f"--data-root={place}/data",
        f"--exec-root={place}/exec",
        f"--pidfile={place}/pid",
        "--storage-driver=overlay2",
        "--bridge=none",
        "--iptables=false",
        "--ip6tables=false",
    ]

    def ready(_log: str) -> str | None:
        answer = subprocess.run(["docker", "-H", f"unix://{socket}", "version"], capture_output=True)
        return f"unix://{socket}" if answer.returncode == 0 else None

    with _shared(place, command, ready) as host:
        yield Dockerd(host)


@contextmanager
def registry(
    base: Path,
    auth: Mapping[str, object] | None = None,
    certificate: Path | None = None,
    authority: Path | None = None,
) -> Iterator[Registry]:
    """A registry on a free port of loopback, with its blobs below ``base``; shared like the daemon. ``auth`` says in
    its configuration's words whom it lets in, None everybody; with a ``certificate`` (and its key, in one file) it
    speaks TLS, and with an ``authority`` to nobody who has no certificate of that one's.
    """
    place = base / "registry"
    place.mkdir(parents=True, exist_ok=True)
    wanted = {"clientcas": [str(authority)]} if authority else {}
    settings = {
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": f"{place}/data"}, "delete": {"enabled": True}},
        "http": {
            "addr": "localhost:0",
            **({"tls": {"certificate": str(certificate), "key": str(certificate), **wanted}} if certificate else {}),
        },
        **({"auth": auth} if auth else {}),
    }
    # YAML is a superset of JSON.
    (place / "config.yml").write_text(json.dumps(settings))

    def ready(log: str) -> str | None:
        listening = re.search(r"listening on \S+:(\d+)", log)
        return f"localhost:{listening[1]}" if listening else None

    with _shared(place, [_daemon("docker-registry"), "serve", f"{place}/config.yml"], ready) as host:
        yield Registry(host)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock that a file stands for; other processes that want it wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def _shared(place: Path, command: Sequence[str], ready: Callable[[str], str | None]) -> Iterator[str]:
    """The address of a server that one keeper holds for all workers; ``ready`` finds it out, given the log so far."""
    state = place / "state"
    with locked(place / "lock"):
        users = (place / "users").open("a")
        # Waits here while a keeper without users still stops its server.
        fcntl.flock(users, fcntl.LOCK_SH)
        if not state.exists():
            state.write_text(_start(place, command, ready))
    try:
        yield state.read_text()
    finally:
        users.close()


def _start(place: Path, command: Sequence[str], ready: Callable[[str], str | None]) -> str:
    log = place / "log"
    log.write_text("")
    keeper = subprocess.Popen(
        [sys.executable, str(KEEPER), str(place / "users"), str(place / "state"), str(log), "--", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and keeper.poll() is None:
        if address := ready(log.read_text()):
            return address
        time.sleep(0.05)
    raise AssertionError(f"{' '.join(command)} didn't start:\n{log.read_text()[-4000:]}")


def _daemon(name: str) -> str:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin") or name


def _checked(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, f"{done.args} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    return done
