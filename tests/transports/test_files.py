"""Archives and directories of strangers: only regular files below the root are there."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from minibuild.errors import ImageError
from minibuild.layers import tar
from minibuild.layers.entry import Entry, Kind
from minibuild.transports.files import Archive, Directory, read


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def archive(tmp_path: Path, *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> Archive:
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as written:
        for info, content in members:
            written.addfile(info, io.BytesIO(content))
    return Archive(opened(tmp_path / "a.tar"), "a.tar")


def opened(path: Path) -> BinaryIO:
    return path.open("rb")


LONG = "x" * 150 + "/é" + "y" * 150


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_members_are_found_by_name_however_it_is_written(tmp_path: Path, form: int) -> None:
    files = archive(tmp_path, member("./one", b"1"), member("/two", b"22"), member(LONG, b"333"), form=form)
    assert [read(files, name) for name in ("one", "two", LONG)] == [b"1", b"22", b"333"]
    assert files.size("three") is None


def test_a_member_is_read_in_its_place_by_several_at_once(tmp_path: Path) -> None:
    files = archive(tmp_path, member("a", b"a" * 200_000), member("b", b"b" * 200_000))
    with files.open("a") as first, files.open("b") as second:
        for _ in range(20):
            assert (first.read(9_999), second.read(9_999)) == (b"a" * 9_999, b"b" * 9_999)


def test_a_name_that_comes_twice_means_the_later_one(tmp_path: Path) -> None:
    files = archive(tmp_path, member("a", b"old"), member("a", b"new"))
    assert read(files, "a") == b"new"


def test_links_are_followed_within_the_archive(tmp_path: Path) -> None:
    files = archive(
        tmp_path,
        member("one/layer.tar", b"layer"),
        member("two/layer.tar", type=tarfile.SYMTYPE, linkname="../one/layer.tar"),
        member("three/layer.tar", type=tarfile.LNKTYPE, linkname="two/layer.tar"),
    )
    assert read(files, "two/layer.tar") == read(files, "three/layer.tar") == b"layer"


HOSTILE: Sequence[tuple[str, int, str]] = (
    ("out of the archive", 2, "/etc/passwd"),
    ("upwards out of it", 2, "../../../../etc/passwd"),
    ("to itself", 2, "a/b"),
    ("a hard link out", 1, "/etc/passwd"),
)


@pytest.mark.parametrize(("kind", "target"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_link_leads_nowhere_else(tmp_path: Path, kind: int, target: str) -> None:
    files = archive(tmp_path, member("a/b", type=str(kind).encode(), linkname=target))
    assert files.size("a/b") is None
    with pytest.raises(ImageError, match="has no file a/b"):
        files.open("a/b")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_what_is_no_regular_file_is_not_there(tmp_path: Path, kind: bytes) -> None:
    assert archive(tmp_path, member("a", type=kind)).size("a") is None


def test_an_archive_cut_short_is_refused(tmp_path: Path) -> None:
    archive(tmp_path, member("a", b"x" * 5000)).close()
    os.truncate(tmp_path / "a.tar", 2000)
    with pytest.raises(ImageError, match="ends in the middle of 'a'"):
        Archive(opened(tmp_path / "a.tar"), "a.tar")


def test_a_size_beyond_the_archive_s_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar.encode(Entry("a", Kind.FILE, size=1 << 62)) + bytes(1024))
    with pytest.raises(ImageError, match="ends in the middle of"):
        Archive(opened(tmp_path / "a.tar"), "a.tar")


def test_a_long_name_without_end_is_refused(tmp_path: Path) -> None:
    header = bytearray(tar.encode(Entry("a", Kind.FILE, size=1 << 30)))
    header[156:157] = b"x"
    header[148:156] = b"        "
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "a.tar").write_bytes(bytes(header) + bytes(1024))
    with pytest.raises(ImageError, match="PAX records or a long name of 1073741824 bytes"):
        Archive(opened(tmp_path / "a.tar"), "a.tar")


def test_what_is_no_tar_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"#!/bin/sh\n" * 100)
    with pytest.raises(ImageError):
        Archive(opened(tmp_path / "a.tar"), "a.tar")


def test_a_document_has_an_end(tmp_path: Path) -> None:
    files = archive(tmp_path, member("manifest.json", bytes((4 << 20) + 1)))
    with pytest.raises(ImageError, match="a document has 4 MiB at most"):
        read(files, "manifest.json")


def test_a_fifo_in_a_directory_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "index.json")
    files = Directory(tmp_path)
    assert files.size("index.json") is None
    with pytest.raises(ImageError, match="no regular file"):
        files.open("index.json")
