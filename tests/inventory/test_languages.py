"""Packages of languages: the files that their installers and linkers leave."""

from __future__ import annotations

import io
import zipfile

import pytest

from minibuild.inventory import Unread
from tests.inventory.images import go_program, inventory_of, purls

SITE = "usr/lib/python3/site-packages"
METADATA = b"Metadata-Version: 2.1\nName: Zope.Interface\nVersion: 6.1\n"


@pytest.mark.parametrize("path", ["a-1.dist-info/METADATA", "a.egg-info/PKG-INFO", "a-1.egg-info"])
def test_python_distributions_tell_of_themselves(path: str) -> None:
    found = inventory_of({f"{SITE}/{path}": METADATA + b"\nDescription: Name: other\n"})
    assert purls(found) == ["pkg:pypi/zope-interface@6.1"]
    assert (found.packages[0].name, found.packages[0].paths) == ("Zope.Interface", (f"/{SITE}/{path}",))


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        (b"License-Expression: MIT OR Apache-2.0\nLicense: other\n", "MIT OR Apache-2.0"),
        (b"License: BSD\n", "BSD"),
        (b"License: UNKNOWN\nClassifier: License :: OSI Approved :: MIT License\n", "MIT License"),
        (b"License: Permission is hereby granted,\n        free of charge\n", ""),
        (b"Classifier: License :: OSI Approved :: A\nClassifier: License :: OSI Approved :: B\n", ""),
    ],
    ids=["expression", "words", "classifier", "whole text", "several classifiers"],
)
def test_python_distributions_say_their_licence_in_several_ways(fields: bytes, licence: str) -> None:
    found = inventory_of({f"{SITE}/a.dist-info/METADATA": METADATA + fields})
    assert found.packages[0].licence == licence


def test_metadata_without_a_name_is_said_to_be_unread() -> None:
    found = inventory_of({f"{SITE}/a.dist-info/METADATA": b"\n"})
    assert found.unread == (Unread(f"/{SITE}/a.dist-info/METADATA", "it has no Name and Version"),)


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (b'{"name": "a", "version": "1.0.0", "license": "ISC"}', [("pkg:npm/a@1.0.0", "ISC")]),
        (b'\xef\xbb\xbf{"name": "@b/c", "version": "2.0.0-rc.1"}', [("pkg:npm/%40b/c@2.0.0-rc.1", "")]),
        (b'{"name": "a", "version": "1", "licenses": [{"type": "MIT"}, "BSD"]}', [("pkg:npm/a@1", "MIT OR BSD")]),
        (b'{"type": "module"}', []),
        (b'{"name": ["a"], "version": 1}', []),
        (b"[]", []),
    ],
    ids=["plain", "scoped", "old licences", "no package", "other types", "no object"],
)
def test_a_package_json_tells_of_itself(document: bytes, expected: list[tuple[str, str]]) -> None:
    found = inventory_of({"app/node_modules/a/package.json": document})
    assert [(package.purl, package.licence) for package in found.packages] == expected
    assert found.unread == ()


def test_a_go_program_tells_of_its_modules() -> None:
    lines = ["path\texample.org/app/cmd/app", "mod\texample.org/app\t(devel)\t", "dep\tgolang.org/x/sys\tv0.1.0\th1:x="]
    lines += ["dep\tgithub.com/old/one\tv1.0.0", "=>\tgithub.com/new/one/v2\tv2.0.1\th1:y=", "build\t-compiler=gc", ""]
    found = inventory_of({"usr/bin/app": go_program(b"go1.22.1 X:boringcrypto", "\n".join(lines).encode())})
    assert purls(found) == [
        "pkg:golang/example.org/app",
        "pkg:golang/github.com/new/one/v2@v2.0.1",
        "pkg:golang/golang.org/x/sys@v0.1.0",
        "pkg:golang/stdlib@1.22.1",
    ]
    assert found.packages[-1].version == "go1.22.1"


def test_a_go_program_of_old_times_is_said_to_be_unread() -> None:
    found = inventory_of({"usr/bin/app": go_program(b"", b"", flags=0)})
    assert found.unread == (Unread("/usr/bin/app", "it was made by Go 1.17 or older, whose modules aren't read"),)


def test_programs_of_other_languages_tell_of_nothing() -> None:
    program = go_program(b"go1.22", b"").replace(b".go.buildinfo", b".rodata\0\0\0\0\0\0")
    assert inventory_of({"bin/a": program, "bin/b": b"#!/bin/sh\n" * 9, "bin/c": b"\x7fELF"}).unread == ()


def test_a_gem_tells_of_itself() -> None:
    text = b"""Gem::Specification.new do |s|
  s.name = "rake".freeze
  s.version = "13.0.6"
  s.licenses = ["MIT".freeze, "Ruby".freeze]
  s.add_dependency("x", "1")
end
"""
    found = inventory_of({"usr/lib/ruby/gems/3.1.0/specifications/default/rake-13.0.6.gemspec": text})
    assert [(package.purl, package.licence) for package in found.packages] == [("pkg:gem/rake@13.0.6", "MIT OR Ruby")]


def test_a_jar_tells_of_what_maven_put_into_it() -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as jar:
        jar.writestr(
            "META-INF/maven/org.slf4j/slf4j-api/pom.properties",
            "#Created by Apache Maven\n\nartifactId=slf4j-api\r\ngroupId=org.slf4j\r\nversion=2.0.9\r\n",
        )
    assert purls(inventory_of({"app/lib/slf4j.jar": sink.getvalue()})) == ["pkg:maven/org.slf4j/slf4j-api@2.0.9"]
