"""minibuild sbom: the packages of images in the store, in archives and in layouts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Done, Shell

STATUS = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n"
RELEASE = 'ID=debian\nVERSION_ID="12"\n'


@pytest.fixture
def app(shell: Shell, tmp_path: Path) -> Shell:
    """A store with ``app:1`` in it, which has bash of Debian, an application in JavaScript, and what nobody reads."""
    files = {
        "/var/lib/dpkg/status": STATUS,
        "/etc/os-release": RELEASE,
        "/app/package.json": '{"name": "app", "version": "1.0.0", "license": "MIT"}\n',
        "/var/lib/rpm/Packages": "berkeley\n",
    }
    dockerfile = "FROM scratch\n" + "".join(f"COPY <<'E' {path}\n{text}E\n" for path, text in files.items())
    (tmp_path / "Dockerfile").write_text(dockerfile)
    done = shell("build", "-q", "-t", "app:1", "-o", f"type=oci,dest={tmp_path}/app.tar", str(tmp_path))
    assert done.status == 0, done.err
    return shell


WARNING = (
    "warning: /var/lib/rpm/Packages isn't read: it is a BerkeleyDB, which rpm wrote before 4.16, and which isn't read\n"
)


def test_a_table_has_a_row_for_each_package(app: Shell) -> None:
    rows = (
        "NAME   VERSION   TYPE   LICENCE\n"  #
        "app    1.0.0     npm    MIT\n"
        "bash   5.2-1     deb\n"
    )
    assert app("sbom", "--format", "table", "app:1") == Done(0, rows, WARNING)


def test_an_archive_holds_what_its_image_held_in_the_store(app: Shell, tmp_path: Path) -> None:
    stored, archived = (json.loads(app("sbom", word).out) for word in ("app:1", f"oci-archive:{tmp_path}/app.tar"))
    assert stored["packages"][1:] == archived["packages"][1:]
    assert [package["name"] for package in stored["packages"]] == ["app:1", "debian", "bash", "app"]


def test_a_document_goes_to_a_file(app: Shell, tmp_path: Path) -> None:
    assert app("sbom", "-o", str(tmp_path / "app.json"), "app:1") == Done(0, "", WARNING)
    assert (tmp_path / "app.json").read_text() == app("sbom", "app:1").out


def test_a_format_that_there_is_none_of_is_refused_with_those_there_are(app: Shell) -> None:
    done = app("sbom", "--format", "cyclonedx", "app:1")
    assert (done.status, done.err) == (
        2,
        "error: --format knows no 'cyclonedx'\nhint: choose from spdx-json, table\n",
    )
