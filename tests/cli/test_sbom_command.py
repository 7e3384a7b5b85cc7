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


WARNING = "warning: /var/lib/rpm/Packages isn't read: it is no hash of BerkeleyDB\n"


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


def test_what_is_attached_is_shown_unless_the_layers_are_to_be_read_anew(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "app", "version": "1.0.0"}')
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY package.json /\n")
    shell("build", "-q", "--sbom", "-t", "team/app:1", "-t", "app:2", str(tmp_path))
    attached, fresh = (json.loads(shell("sbom", *words, "app:2").out) for words in ((), ("--fresh",)))
    assert (attached["name"], fresh["name"]) == ("team/app:1", "app:2")
    assert attached["packages"][1:] == fresh["packages"][1:]


def test_a_build_warns_of_what_its_sbom_lacks(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /var/lib/rpm/Packages\n")
    done = shell("build", "--progress=plain", "--sbom", str(tmp_path))
    assert done.status == 0
    assert "/var/lib/rpm/Packages isn't read for the SBOM: it is no hash of BerkeleyDB" in done.err


def test_an_archive_for_docker_has_no_room_for_attestations(shell: Shell, tmp_path: Path) -> None:
    done = shell("build", "--provenance", "-o", f"type=docker,dest={tmp_path}/a.tar", str(tmp_path))
    assert (done.status, done.err) == (
        2,
        (
            "error: --output type=docker takes the image alone, and --sbom and --provenance have an index made of it\n"
            "hint: type=registry, type=oci, type=local and type=tar take them along; or leave them out\n"
        ),
    )
