"""What is hostile or damaged in a tar is refused by name, and nothing of it is ever put anywhere."""

from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibuild.errors import ImageError, IntegrityError
from minibuild.layers import tar
from minibuild.layers.entry import Entry, Kind
from tests.layers.tars import hard_link, make_tar, member, read, read_one, symlink, written

HOSTILE: dict[str, tuple[tuple[tarfile.TarInfo, bytes], str]] = {
    "zip slip": (member("../outside"), r"'\.\./outside' leads out"),
    "zip slip deeper": (member("a/../../x"), r"'a/\.\./\.\./x' leads out"),
    "absolute zip slip": (member("/../x"), r"'/\.\./x' leads out"),
    "root as a file": (member("."), "stands for the root"),
    "root as a symlink": (symlink("./", "/"), "stands for the root"),
    "no name": (member(""), "stands for the root"),
    "NUL in a PAX name": (member("f", pax_headers={"path": "a\0b"}), "NUL"),
    "NUL in a PAX link": (member("l", type=tarfile.SYMTYPE, pax_headers={"linkpath": "a\0b"}), "symbolic link"),
    "path beyond PATH_MAX": (member("d/" * 2100 + "f"), "more than 4095 bytes"),
    "symlink to nothing": (symlink("l", ""), "'l' is a symbolic link to ''"),
    "symlink beyond PATH_MAX": (symlink("l", "x" * 5000), "symbolic link"),
    "hard link out of the root": (
        hard_link("l", "../../etc/passwd"),
        "'l' is a hard link, and '../../etc/passwd' leads",
    ),
    "hard link to the root": (hard_link("l", "/"), "'l' is a hard link to '/'"),
    "hard link to a deletion": (hard_link("l", ".wh.x"), "'l' is a hard link to"),
    "whiteout of nothing": (member("d/.wh."), "names nothing that can be deleted"),
    "whiteout of itself": (member(".wh.."), "names nothing that can be deleted"),
    "whiteout of the parent": (member("d/.wh..."), "names nothing that can be deleted"),
    "whiteout of a whiteout": (member(".wh.a/.wh.b"), "stands below a name that means a deletion"),
    "below a whiteout": (member(".wh.d/f"), "stands below a name that means a deletion"),
    "below an empty whiteout": (member(".wh./x"), "stands below a name that means a deletion"),
    "sparse of GNU": (member("s", type=tarfile.GNUTYPE_SPARSE), "'s' is a sparse file"),
    "sparse by PAX": (member("s", pax_headers={"GNU.sparse.major": "1"}), "'s' is a sparse file"),
    "unknown type": (member("v", type=b"V"), "'v' is of the type"),
    "size of 2^63": (member("f", pax_headers={"size": str(1 << 63)}), "'f' claims a size"),
    "size of 2 TiB": (member("f", pax_headers={"size": str(1 << 41)}), "'f' claims a size"),
    "directory with content": (member("d/", b"x"), "'d/' has the name of a directory, and 1 bytes"),
    "negative size": (member("f", pax_headers={"size": "-1"}), "'f' claims a size"),
    "size with an underscore": (member("f", pax_headers={"size": "1_0"}), "'f' has"),
    "size with ten thousand digits": (member("f", pax_headers={"size": "1" * 10_000}), "'f' has"),
    "owner -1": (member("f", pax_headers={"uid": "-1"}), "'f' belongs to -1:0"),
    "owner that chown takes for none": (member("f", pax_headers={"gid": str(0xFFFFFFFF)}), "'f' belongs to"),
    "time out of this world": (member("f", pax_headers={"mtime": "1" + "0" * 30}), "'f' has"),
    "time that is none": (member("f", pax_headers={"mtime": "nan"}), "'f' has b'nan' for its mtime"),
    "attribute without a name": (member("f", pax_headers={"SCHILY.xattr.": "x"}), "'f' has the extended attribute ''"),
    "attribute too large": (member("f", pax_headers={"SCHILY.xattr.user.a": "x" * 70_000}), "'f' has the extended"),
    "more PAX than a MiB": (member("f", pax_headers={"comment": "x" * (1 << 20)}), "has PAX records or a long name of"),
}


@pytest.mark.parametrize("attack", HOSTILE)
def test_the_hostile_entry_is_refused_by_name(attack: str) -> None:
    hostile, message = HOSTILE[attack]
    raw = make_tar(member("before"), hostile).getvalue()
    with pytest.raises(ImageError, match=message):
        read(raw)


@pytest.mark.parametrize("key", ["path", "linkpath", "size"])
def test_a_global_header_that_names_every_entry_is_refused(key: str) -> None:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT, pax_headers={key: "1"}) as archive:
        archive.addfile(member("f")[0])
    with pytest.raises(ImageError, match="names all its entries alike"):
        read(raw.getvalue())


@pytest.mark.parametrize(
    "records",
    [
        *(b"7 a=b\n", b"5 a=b\n", b"x a=b\n", b"6a=b\n", b"6 ab=\n ", b"5 =b\n"),
        *(b"99 a=b\n", b"6 abcd\n", b"-6 a=b\n", b"6 a=b ", b"0 a=b\n"),
    ],
)
def test_damaged_pax_records_are_refused(records: bytes) -> None:
    info = member("p", records, type=tarfile.XHDTYPE)
    with pytest.raises(ImageError, match="'p' has damaged PAX records"):
        read(make_tar(info, member("f"), form=tarfile.USTAR_FORMAT).getvalue())


def header(**fields: bytes) -> bytes:
    """A file's header with raw fields, its checksum right."""
    places = {"mode": 100, "uid": 108, "gid": 116, "size": 124, "mtime": 136}
    block = bytearray(tar.encode(Entry("f", Kind.FILE)))
    for field, raw in fields.items():
        block[places[field] : places[field] + len(raw)] = raw
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "raw", [b"0000008\0", b"-000001\0", b"0x10\0\0\0\0", b"1_0\0\0\0\0\0", b"+1\0\0\0\0\0\0", b"1 1\0\0\0\0\0"]
)
def test_numbers_that_are_not_octal_are_refused(raw: bytes) -> None:
    with pytest.raises(ImageError, match="where an octal number belongs"):
        read(header(uid=raw) + tar.END)


@pytest.mark.parametrize(
    ("raw", "value"),
    [(b"\0" * 8, 0), (b" " * 8, 0), (b"   123 \0", 0o123), (b"00000012", 0o12), (b"\x80\0\0\0\0\x20\0\0", 2097152)],
    ids=["zeros", "blanks", "blanks around", "no end", "binary"],
)
def test_numbers_are_read_as_everybody_writes_them(raw: bytes, value: int) -> None:
    assert read_one(header(uid=raw) + tar.END).uid == value


def test_negative_binary_numbers_are_times_but_no_sizes() -> None:
    assert read_one(header(mtime=b"\xff" * 12) + tar.END).mtime == -1
    with pytest.raises(ImageError, match="'f' claims a size of -1 bytes"):
        read(header(size=b"\xff" * 12) + tar.END)


@pytest.mark.parametrize("place", [0, 99, 124, 156, 345, 511])
def test_a_header_with_a_flipped_bit_is_refused(place: int) -> None:
    raw = bytearray(written(Entry("some/file", Kind.FILE, 0o644, size=9)))
    raw[place] ^= 0x40
    with pytest.raises(IntegrityError, match="wrong checksum"):
        read(bytes(raw))


@pytest.mark.parametrize(
    ("size", "message"),
    [(100, "in the middle of a header"), (700, "in the middle of 'some/file'"), (1000, "in the middle of 'some/file'")],
)
def test_a_tar_that_was_cut_is_an_integrity_error(size: int, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        read(written(Entry("some/file", Kind.FILE, size=400))[:size])


def test_a_tar_that_ends_after_pax_records_is_an_integrity_error() -> None:
    with pytest.raises(IntegrityError, match="ends after the PAX records"):
        read(tar.encode(Entry("a" * 200, Kind.FILE))[:1024] + tar.END)


def test_a_tar_that_goes_on_after_a_block_of_zeros_is_an_integrity_error() -> None:
    with pytest.raises(IntegrityError, match="goes on after a block of zeros"):
        read(bytes(512) + written(Entry("f", Kind.FILE)))


@pytest.mark.parametrize(
    "entry",
    [Entry("f", Kind.FILE, xattrs={"user.a=b": b""}), Entry("c", Kind.CHARACTER, device=(1 << 22, 0))],
    ids=["attribute", "device"],
)
def test_what_no_tar_can_hold_is_not_written(entry: Entry) -> None:
    with pytest.raises(ImageError, match="no tar can hold"):
        tar.encode(entry)


@given(st.binary(max_size=2000), st.integers(0, 2000))
def test_rubbish_is_refused_and_nothing_else_happens(rubbish: bytes, place: int) -> None:
    raw = written(Entry("a" * 130, Kind.FILE, size=30, xattrs={"user.a": b"x"}), Entry("b", Kind.SYMLINK, link="c"))
    damaged = raw[:place] + rubbish + raw[place + len(rubbish) :]
    try:
        read(damaged)
    except ImageError as error:
        assert "\n" not in error.message
