"""Places by the words of --output and --build-context."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from minibuild.errors import UsageError
from minibuild.transports import TABLE, Place, open_exporter, open_source
from minibuild.transports.base import Exporter
from minibuild.transports.clients import Client
from minibuild.transports.docker_archive import DockerArchive
from minibuild.transports.docker_daemon import DockerDaemon
from minibuild.transports.local import LocalDirectory
from minibuild.transports.oci_layout import OciLayout
from minibuild.transports.pushing import Pushing
from minibuild.transports.tar import TarFile

CASES = [
    ("docker", "", False, DockerDaemon),
    ("docker", "-", False, DockerArchive),
    ("docker", "a.tar", False, DockerArchive),
    ("local", "out", False, LocalDirectory),
    ("nerdctl", "", False, Client),
    ("podman", "", False, Client),
    ("oci", "-", False, DockerArchive),
    ("oci", "a.tar", False, DockerArchive),
    ("oci", "out", True, OciLayout),
    ("registry", "", False, Pushing),
    ("tar", "", False, TarFile),
]


@pytest.mark.parametrize(("kind", "destination", "is_directory", "expected"), CASES)
def test_each_type_of_output_has_its_transport(
    kind: str, destination: str, is_directory: bool, expected: type[Exporter]
) -> None:
    assert isinstance(open_exporter(kind, Place(destination, {}, io.BytesIO(), is_directory)), expected)


def test_the_cases_above_cover_the_table() -> None:
    assert {kind for kind, *_ in CASES} == set(TABLE)


def test_an_unknown_type_gets_a_suggestion() -> None:
    with pytest.raises(UsageError, match="'lokal' is no type of output") as raised:
        open_exporter("lokal", Place("x", {}, io.BytesIO()))
    assert raised.value.hint == "did you mean local?"


@pytest.mark.parametrize(("kind", "is_directory"), [("local", False), ("oci", True)])
def test_a_directory_does_not_go_to_standard_output(kind: str, is_directory: bool) -> None:
    with pytest.raises(UsageError, match="a directory is wanted"):
        open_exporter(kind, Place("-", {}, io.BytesIO(), is_directory))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("docker-archive:a.tar", DockerArchive),
        ("docker-daemon:app:1", DockerDaemon),
        ("oci-archive:a.tar:1", DockerArchive),
        ("oci-layout:dir@sha256:" + "0" * 64, OciLayout),
        ("oci-layout://dir:1", OciLayout),
        ("docker-image://app", type(None)),
        ("oci-layout", type(None)),
        ("../directory", type(None)),
    ],
)
def test_each_scheme_has_its_source(words: str, expected: type[object]) -> None:
    assert isinstance(open_source(words, {}), expected)


def test_the_table_imports_no_transport_before_it_is_asked_for() -> None:
    code = "import sys, minibuild.transports, minibuild.store; print(*sys.modules)"
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {"docker", "requests", "urllib3", "ssl", "sqlite3", "tarfile", "tempfile", "shutil", "random", "asyncio"}
    assert not loaded & (heavy | {f"minibuild.transports.{name}" for name in ("local", "tar", "docker_daemon")})
