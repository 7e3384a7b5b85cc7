"""Fixtures that every room may use: real servers, base images, and minibuild as a user runs it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from subprocess import run

import pytest

from tests import bases, daemons
from tests.command import Minibuild
from tests.filesystems import loop_mounted, make_pool
from tests.machine import require

# A shell without job control starts what is in its background deaf to Ctrl-C, and all that is started from there.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory that all workers of this run see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def btrfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory on btrfs."""
    with loop_mounted("btrfs", tmp_path_factory.mktemp("filesystem")) as place:
        yield place


@pytest.fixture(scope="session")
def thin_pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of devicemapper's, with a pool where the kernel can have one."""
    directory = tmp_path_factory.mktemp("pool") / "devicemapper"
    make_pool(directory)
    return directory


@pytest.fixture(scope="session")
def dockerd(shared_directory: Path) -> Iterator[daemons.Dockerd]:
    """A real docker daemon; it has no networks, so containers run with ``--net host`` or ``--net none``."""
    require("docker", "dockerd", root=True)
    with daemons.dockerd(shared_directory) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def registry(shared_directory: Path) -> Iterator[daemons.Registry]:
    """A real registry on loopback, empty at first."""
    require("docker-registry", "skopeo")
    with daemons.registry(shared_directory) as server:
        yield server


@pytest.fixture(scope="session")
def busybox_base(registry: daemons.Registry) -> bases.BaseImage:
    """``busybox:latest``, in the registry."""
    require("apt-get", "dpkg-deb")
    return bases.busybox().pushed_to(registry)


@pytest.fixture(scope="session")
def debian_base(registry: daemons.Registry) -> bases.BaseImage:
    """``debian:bookworm``, in the registry."""
    require("mmdebstrap")
    return bases.debian().pushed_to(registry)


@pytest.fixture(scope="session")
def node_base(registry: daemons.Registry) -> bases.BaseImage:
    """``node:18.13.0``, in the registry."""
    require("mmdebstrap", "npm")
    return bases.node().pushed_to(registry)


@pytest.fixture
def minibuild(tmp_path: Path) -> Minibuild:
    """The installed command line, with a store of its own and no registry but the internet's."""
    return Minibuild(tmp_path / "store")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of ``localhost`` in one file, signed by nobody else."""
    directory = tmp_path_factory.mktemp("tls")
    both = directory / "both.pem"
    request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "certificate.pem")]
    run(["openssl", *request, *names, *files], check=True, capture_output=True)
    both.write_bytes((directory / "key.pem").read_bytes() + (directory / "certificate.pem").read_bytes())
    return both
