"""An inventory is of what the layers come to, says who brought what, and takes nothing on trust."""

from __future__ import annotations

import io
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibuild.inventory import Unread
from minibuild.inventory.taking import take
from tests.inventory.images import go_program, inventory_of, layers_of, ndb, purls, rpm_header

A = b"Package: a\nVersion: 1\n\n"
B = b"Package: b\nVersion: 1\n\n"
B2 = b"Package: b\nVersion: 2\n\n"
DATABASE = "var/lib/dpkg/status"

# A zip's end that promises 65,535 files.
END_OF_MILLIONS = b"PK\5\6" + b"\0" * 4 + b"\xff" * 4 + b"\0" * 10


def endless_database() -> bytes:
    """A database whose table of packages is a view that computes for ever."""
    with tempfile.NamedTemporaryFile() as file, closing(sqlite3.connect(file.name)) as database:
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i FROM n WHERE i < 0"
        database.execute(f"CREATE VIEW Packages(hnum, blob) AS {endless}")
        database.commit()
        return Path(file.name).read_bytes()


def overlapping_headers() -> bytes:
    """A database all of whose slots name the same large header."""
    raw = bytearray(ndb(rpm_header({1000: "a", 1001: "1", 1014: "x" * 4000})))
    for slot in range(3, 200):
        raw[slot * 16 : slot * 16 + 16] = raw[32:48]
    return bytes(raw)


OVERLAPPING = overlapping_headers()

BERKELEY = (Path(__file__).parent / "Packages").read_bytes()


FILES: Mapping[str, bytes] = {
    "var/lib/rpm/Packages": BERKELEY,
    DATABASE: A + B,
    "lib/apk/db/installed": b"P:a\nV:1\n\nP:b\nV:2\n",
    "var/lib/rpm/Packages.db": ndb(rpm_header({1000: "a", 1001: "1", 1003: 7}), rpm_header({1000: "b", 1001: "1"})),
    "var/lib/rpm/rpmdb.sqlite": b"SQLite format 3\0" + b"\x10\0\1\1\0\x40\x20\x20" * 20,
    "a.dist-info/METADATA": b"Name: a\nVersion: 1\nLicense: x\n",
    "package.json": b'{"name": "a", "version": "1", "license": {"type": "MIT"}}',
    "bin/app": go_program(b"go1.22", b"mod\texample.org/app\tv1.0.0\t\ndep\tb\tv1\n"),
    "gems/specifications/a.gemspec": b's.name = "a"\ns.version = "1"\n',
    "a.jar": b"PK\5\6" + b"\0" * 18,
    "etc/os-release": b"ID='a'\nVERSION_ID=\"1\"\n",
}


def test_what_a_layer_deletes_is_not_there() -> None:
    found = inventory_of({"app/package.json": b'{"name": "a", "version": "1"}'}, {"app": None})
    assert purls(found) == []


def test_each_package_is_said_to_come_from_the_layer_that_brought_it() -> None:
    found = inventory_of(
        {DATABASE: A + B}, {"unrelated": b""}, {DATABASE: A + B2}, {DATABASE: B2 + A + b"\nPackage: c\nVersion: 1"}
    )
    assert [(package.name, package.version, package.layer) for package in found.packages] == [
        ("a", "1", 0),
        ("b", "2", 2),
        ("c", "1", 3),
    ]


def test_a_package_that_stands_in_several_places_is_listed_once_with_all_of_them() -> None:
    document = b'{"name": "a", "version": "1"}'
    [package] = inventory_of({"x/package.json": document}, {"b/package.json": document}).packages
    assert (package.paths, package.layer) == (("/b/package.json", "/x/package.json"), 0)


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("a/package.json", b"{", "JSONDecodeError: Expecting property name"),
        ("a/package.json", b"[" * 1_000_000, "RecursionError"),
        ("a/package.json", b" " * ((4 << 20) + 1), "it has 4194305 bytes, more than the 4194304 that are read"),
        ("var/lib/rpm/rpmdb.sqlite", b"no database" * 100, "DatabaseError: file is not a database"),
        ("var/lib/rpm/Packages.db", b"RpmP", "error: unpack requires"),
        ("var/lib/rpm/Packages.db", ndb(b"\xff" * 40), "it has a header that ends too early"),
        ("var/lib/rpm/Packages.db", OVERLAPPING, "it has headers that overlap"),
        ("var/lib/rpm/Packages", b"\0" * 4096, "it is no hash of BerkeleyDB"),
        ("var/lib/rpm/Packages", BERKELEY[:-512], "it has no page"),
        ("var/lib/rpm/rpmdb.sqlite", endless_database(), "OperationalError: interrupted"),
        ("a.jar", b"no archive", "it is no zip archive"),
        ("a.jar", END_OF_MILLIONS, "error: unpack requires"),
        ("gems/specifications/a.gemspec", b"\n" * 4_000_000, "it has no name and version"),
    ],
    ids=[
        *("half JSON", "deep JSON", "large", "no sqlite", "short ndb", "wild header", "overlapping headers"),
        *(
            "no BerkeleyDB",
            "half BerkeleyDB",
            "endless sqlite",
            "no zip",
            "zip of nothing",
            "empty lines",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_said_and_the_rest_is_read(path: str, content: bytes, reason: str) -> None:
    found = inventory_of({path: content, "b/package.json": b'{"name": "b", "version": "1"}'})
    assert "pkg:npm/b@1" in purls(found)
    [unread] = found.unread
    assert (unread.path, unread.reason.startswith(reason)) == (f"/{path}", True), unread


def test_values_that_go_round_in_circles_come_to_an_end() -> None:
    raw = bytearray(BERKELEY)
    for page in range(0, len(raw), 512):
        if raw[page + 25] == 7:
            raw[page + 16 : page + 20] = (page // 512).to_bytes(4, "little")
    assert len(purls(inventory_of({"var/lib/rpm/Packages": bytes(raw)}))) == 2


def test_names_that_are_not_utf8_are_written_so_that_they_can_be_read() -> None:
    found = inventory_of({"a\udcff/package.json": b'{"name": "a\xff", "version": "1"}'})
    [package] = found.packages
    assert (package.purl, package.paths) == ("pkg:npm/a%EF%BF%BD@1", ("/a\ufffd/package.json",))


def test_an_inventory_of_too_many_packages_ends_and_says_so() -> None:
    layers, tars = layers_of({DATABASE: A + B + b"Package: c\nVersion: 1\n"})
    found = take(layers, lambda layer: io.BytesIO(tars[layer.diff_id]), most=2)
    assert [package.name for package in found.packages] == ["a", "b"]
    assert found.unread == (Unread("/", "it tells of more packages than the 2 that are listed"),)


@settings(deadline=None)
@given(path=st.sampled_from(sorted(FILES)), cut=st.integers(0, 4000), noise=st.binary(max_size=40))
def test_whatever_stands_in_the_files_nothing_is_raised(path: str, cut: int, noise: bytes) -> None:
    content = FILES[path]
    inventory_of({path: content[: cut % len(content)] + noise + content[cut % len(content) + len(noise) :]})
