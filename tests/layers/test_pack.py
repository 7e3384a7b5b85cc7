"""A layer's tar is written in one pass, with its digest and its index, or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibuild.errors import ContextError, ImageError
from minibuild.layers import tar
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.pack import pack
from minibuild.layers.unpack import read_index, unpack
from tests.layers.tars import listing, needs_root
from tests.machine import require

FILE = Entry("f", Kind.FILE, 0o644, size=5)
NOTHING_OPENS: tuple[Entry, None] = (FILE._replace(path="other"), None)


def file(path: str, content: bytes = b"") -> Change:
    return Entry(path, Kind.FILE, 0o644, size=len(content)), lambda: io.BytesIO(content)


def entry(path: str, kind: Kind = Kind.DIRECTORY, link: str = "") -> Change:
    return Entry(path, kind, 0o755, link=link), None


def test_the_digest_is_that_of_the_tar_and_the_index_that_of_its_reader() -> None:
    sink = io.BytesIO()
    packed = pack(
        [entry("etc"), file("etc/passwd", b"root:"), file("etc/x" * 40, bytes(3 << 20)), entry("gone", Kind.WHITEOUT)],
        sink,
    )
    raw = sink.getvalue()
    assert (packed.digest, packed.size) == (f"sha256:{hashlib.sha256(raw).hexdigest()}", len(raw))
    assert packed.index.texts == {"etc/passwd": b"root:"}
    assert read_index(io.BytesIO(raw)) == packed.index


def test_the_empty_layer_is_the_one_that_everybody_knows() -> None:
    packed = pack([], io.BytesIO())
    assert packed.digest == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.binary(max_size=2000)), st.integers(1, 700))
def test_contents_are_written_whole_however_they_are_read(files: dict[str, bytes], step: int) -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, step))

    sink = io.BytesIO()
    pack([(Entry(path, Kind.FILE, size=len(data)), lambda d=data: Drops(d)) for path, data in files.items()], sink)  # type: ignore[misc]
    sink.seek(0)
    assert {found.path: content.read() for found, content in tar.read_entries(sink)} == files


@pytest.mark.parametrize("content", [b"shrt", b"longer", b""])
def test_a_file_that_changes_while_it_is_read_is_an_error(content: bytes) -> None:
    with pytest.raises(ContextError, match="'f' changed while it was read: it had 5 bytes"):
        pack([(FILE, lambda: io.BytesIO(content))], io.BytesIO())


def test_a_file_that_vanished_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="'f' can't be read: no such file"):
        pack([(FILE, lambda: (tmp_path / "gone").open("rb"))], io.BytesIO())


def test_contents_are_closed_even_when_they_are_wrong() -> None:
    content = io.BytesIO(b"too long")
    with pytest.raises(ContextError):
        pack([(FILE, lambda: content)], io.BytesIO())
    assert content.closed


@pytest.mark.parametrize("path", [".wh.x", "d/.wh.x", ".wh.d/f", "d/.wh..wh..opq"])
def test_a_name_that_would_delete_something_is_refused(path: str) -> None:
    with pytest.raises(ContextError, match=r"a name that starts with \.wh\. deletes a file"):
        pack([file(path)], io.BytesIO())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([file("f"), file("f")], "'f' comes twice"),
        ([file("f"), entry("f")], "'f' comes twice"),
        ([file("f"), entry("f", Kind.WHITEOUT)], "'f' comes twice"),
        ([file("d/f"), entry("d")], "'d' comes after what stands in it"),
        ([file("d/f"), entry("d", Kind.WHITEOUT)], "'d' comes after what stands in it"),
        ([entry("l", Kind.HARDLINK, "f"), file("f")], "'l' is a hard link to 'f', which its layer doesn't hold before"),
        ([file("f"), file("f/g")], "'f/g' stands below 'f'"),
        ([NOTHING_OPENS], "'other' is a file that nothing opens"),
    ],
)
def test_an_order_that_could_not_be_unpacked_is_refused(changes: list[Change], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        pack(changes, io.BytesIO())


@pytest.mark.parametrize("path", ["/abs", "../up", "d/", "a//b", "a/./b", "nul\0"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ImageError, match=r"no path that a layer can hold|leads out|NUL"):
        pack([file(path)], io.BytesIO())


def test_a_deletion_may_come_before_what_takes_the_place() -> None:
    packed = pack([entry("d", Kind.WHITEOUT), entry("d"), entry("d", Kind.OPAQUE), file("d/f")], io.BytesIO())
    assert [it.kind for it in packed.index.entries] == [Kind.WHITEOUT, Kind.DIRECTORY, Kind.OPAQUE, Kind.FILE]


def test_a_hard_link_s_header_repeats_all_that_its_file_has() -> None:
    sink = io.BytesIO()
    su = Entry("su", Kind.FILE, 0o4755, 3, 4, 1, 5, xattrs={"user.a": b"1"})
    pack([(su, lambda: io.BytesIO(b"x")), entry("l", Kind.HARDLINK, "su")], sink)
    sink.seek(0)
    with tarfile.open(fileobj=sink) as archive:
        link = archive.getmember("l")
    assert (link.mode, link.uid, link.gid, link.size, link.mtime, link.linkname) == (0o4755, 3, 4, 0, 5, "su")
    assert link.pax_headers == {"SCHILY.xattr.user.a": "1"}


def test_memory_does_not_grow_with_the_size_of_a_file() -> None:
    class Zeros(io.RawIOBase):
        left = 200 << 20

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            data = bytes(min(size, self.left))
            self.left -= len(data)
            return data

    tracemalloc.start()
    try:
        with Path(os.devnull).open("wb") as sink:
            pack([(FILE._replace(size=200 << 20), Zeros)], sink)  # type: ignore[list-item]
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


PING = Entry("d/ping", Kind.FILE, 0o755, 0, 0, 4, 7, xattrs={"security.capability": CAPABILITY})


def everything() -> list[Change]:
    """A tree with every kind of entry, odd names, owners, modes, attributes and times."""
    return [
        (Entry("", Kind.DIRECTORY, 0o755, mtime=1), None),
        (Entry("d", Kind.DIRECTORY, 0o1777, 1, 2, mtime=1_700_000_000, xattrs={"user.dir": b"\0\xff"}), None),
        (Entry("d/link", Kind.SYMLINK, 0o777, 3, 4, mtime=-9, link="../elsewhere/\udcff"), None),
        (Entry("d/new\nline", Kind.FILE, 0o6755, 5, 6, 2, 99), lambda: io.BytesIO(b"ok")),
        (Entry("d/not-utf8-\udcfe", Kind.FILE, 0o600, 4_000_000_000, 3_000_000, 1, -1), lambda: io.BytesIO(b"x")),
        (PING, lambda: io.BytesIO(b"ping")),
        (Entry("d/pong", Kind.HARDLINK, link="d/ping"), None),
        (Entry("ü" * 90, Kind.FILE, 0o644, size=3, mtime=3), lambda: io.BytesIO("ü!".encode())),
        (Entry("v" * 130, Kind.SYMLINK, 0o777, link="w" * 300), None),
        (Entry("z", Kind.DIRECTORY, 0o700), None),
        (Entry("z/fifo", Kind.FIFO, 0o622, mtime=8), None),
        (Entry("z/null", Kind.CHARACTER, 0o666, mtime=8, device=(1, 3)), None),
        (Entry("z/sda", Kind.BLOCK, 0o660, 0, 6, mtime=8, device=(8, 17)), None),
    ]  # fmt: skip


@needs_root
def test_gnu_tar_unpacks_what_we_pack_as_we_do(tmp_path: Path) -> None:
    require("tar")
    ours, theirs, blob = tmp_path / "ours", tmp_path / "theirs", tmp_path / "layer.tar"
    ours.mkdir()
    theirs.mkdir()
    with blob.open("wb") as sink:
        pack(everything(), sink)
    with blob.open("rb") as stream:
        unpack(stream, ours)
    options = ["--xattrs", "--xattrs-include=*", "--same-owner", "--numeric-owner"]
    subprocess.run(["tar", *options, "-xpf", blob, "-C", theirs], check=True)
    assert listing(ours) == listing(theirs)
    assert len(listing(ours)) == len(everything())


@needs_root
def test_what_gnu_tar_packs_of_a_tree_is_read_as_the_tree_it_was(tmp_path: Path) -> None:
    require("tar")
    tree, again = tmp_path / "tree", tmp_path / "again"
    tree.mkdir()
    again.mkdir()
    sink = io.BytesIO()
    pack(everything(), sink)
    unpack(io.BytesIO(sink.getvalue()), tree)
    for form in ("gnu", "posix"):
        options = [f"--format={form}", *(["--xattrs", "--xattrs-include=*"] if form == "posix" else [])]
        blob = subprocess.run(["tar", *options, "-cf", "-", "-C", tree, "."], check=True, stdout=subprocess.PIPE).stdout
        unpack(io.BytesIO(blob), again)
        if form == "posix":
            assert listing(again) == listing(tree)
        assert {it.path for it in read_index(io.BytesIO(blob)).entries} == {change.path for change, _ in everything()}
