"""Packages of distributions: dpkg's, apk's and rpm's databases."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from minibuild.inventory import Distribution
from tests.inventory.images import DEBIAN, inventory_of, ndb, purls, rpm_header

STATUS = b"""\
Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2.15-2)
Version: 5.2.15-2+b13
Description: GNU Bourne Again SHell
 Bash is an sh-compatible command language interpreter.
 .
 It also has paragraphs.

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: half
Status: install ok unpacked
Architecture: all
Version: 1:2-3
"""
COPYRIGHT = (
    b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-3+\n text\n"
)
APK = """\
C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:alpine-baselayout
V:3.4.3-r1
A:x86_64
L:GPL-2.0-only
o:alpine-baselayout
F:etc
R:motd

P:ssl_client
V:1.36.1-r5
A:x86_64
L:GPL-2.0-only
o:busybox
"""
TINY = {1000: "tiny", 1001: "1.2", 1002: "3.fc40", 1003: 1, 1014: "GPLv2+", 1022: "noarch", 1044: "small-1.2-3.src.rpm"}
KEY = {1000: "gpg-pubkey", 1001: "a15b79cc", 1002: "63d04c2c"}
FEDORA = b"ID=fedora\nVERSION_ID=40\n"
TINY_PURL = "pkg:rpm/fedora/tiny@1.2-3.fc40?arch=noarch&distro=fedora-40&epoch=1&upstream=small-1.2-3.src.rpm"


def test_dpkg_tells_of_what_is_on_disk() -> None:
    found = inventory_of({"etc/os-release": DEBIAN, "var/lib/dpkg/status": STATUS})
    assert found.distribution == Distribution("debian", "12", "Debian GNU/Linux 12 (bookworm)")
    assert purls(found) == [
        "pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2",
        "pkg:deb/debian/half@1:2-3?arch=all&distro=debian-12",
    ]


def test_a_copyright_file_for_machines_tells_a_licence() -> None:
    found = inventory_of({"usr/share/doc/bash/copyright": COPYRIGHT, "var/lib/dpkg/status": STATUS})
    assert [package.licence for package in found.packages] == ["GPL-3+", ""]


def test_distroless_images_have_a_file_a_package() -> None:
    tzdata = b"Package: tzdata\nVersion: 2024a-0\nArchitecture: all\n"
    found = inventory_of({"var/lib/dpkg/status.d/tzdata": tzdata, "var/lib/dpkg/status.d/tzdata.md5sums": b"x  y\n"})
    assert purls(found) == ["pkg:deb/tzdata@2024a-0?arch=all"]


@pytest.mark.parametrize("path", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_apk_tells_of_what_is_installed(path: str) -> None:
    found = inventory_of({"etc/os-release": b"ID=alpine\nVERSION_ID=3.18.4\n", path: APK.encode()})
    assert purls(found) == [
        "pkg:apk/alpine/alpine-baselayout@3.4.3-r1?arch=x86_64&distro=alpine-3.18.4",
        "pkg:apk/alpine/ssl_client@1.36.1-r5?arch=x86_64&distro=alpine-3.18.4&upstream=busybox",
    ]
    assert {package.licence for package in found.packages} == {"GPL-2.0-only"}


def test_rpm_tells_of_what_is_installed_out_of_sqlite(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "db") as database:
        database.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
        database.executemany("INSERT INTO Packages VALUES (?, ?)", [(1, rpm_header(KEY)), (2, rpm_header(TINY))])
    database.close()
    content = (tmp_path / "db").read_bytes()
    found = inventory_of({"usr/lib/os-release": FEDORA, "usr/lib/sysimage/rpm/rpmdb.sqlite": content})
    assert (purls(found), found.unread) == ([TINY_PURL], ())
    assert (found.packages[0].version, found.packages[0].licence) == ("1:1.2-3.fc40", "GPLv2+")


def test_rpm_tells_of_what_is_installed_out_of_its_own_database() -> None:
    content = ndb(rpm_header(KEY), rpm_header(TINY))
    found = inventory_of({"usr/lib/os-release": FEDORA, "usr/lib/sysimage/rpm/Packages.db": content})
    assert (purls(found), found.unread) == ([TINY_PURL], ())


def test_rpm_tells_of_what_is_installed_out_of_a_berkeley_database() -> None:
    """``Packages`` was made by db5.3_load: pages of 512 bytes, a key, and two headers of which one has 2,000 bytes."""
    content = (Path(__file__).parent / "Packages").read_bytes()
    found = inventory_of({"usr/lib/os-release": FEDORA, "var/lib/rpm/Packages": content})
    assert (purls(found), found.unread) == ([TINY_PURL.replace("/tiny@", "/large@"), TINY_PURL], ())


def test_red_hat_is_called_redhat_in_names() -> None:
    found = inventory_of(
        {"etc/os-release": b"ID='rhel'\nVERSION_ID='9.4'\n", "var/lib/rpm/Packages.db": ndb(rpm_header(TINY))}
    )
    assert purls(found)[0].startswith("pkg:rpm/redhat/tiny@1.2-3.fc40?arch=noarch&distro=rhel-9.4&")
