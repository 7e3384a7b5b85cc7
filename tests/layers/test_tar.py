"""The codec agrees with the standard library's, in both directions."""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibuild.layers import tar
from minibuild.layers.entry import Entry, Kind
from tests.layers.tars import content_of, directory, make_tar, member, read, read_one, written

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=90)
COMPONENTS = NAMES.filter(lambda name: name not in (".", "..") and not name.startswith(".wh."))
PATHS = st.lists(COMPONENTS, min_size=1, max_size=5).map("/".join)
IDS = st.integers(0, 0xFFFFFFFE)
TIMES = st.integers(-(1 << 40), 1 << 40)
XATTRS = st.dictionaries(st.from_regex(r"user\.[a-z]{1,8}", fullmatch=True), st.binary(max_size=40), max_size=2)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """An entry of any kind that a tar can hold by itself."""
    kind = draw(st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.SYMLINK, Kind.HARDLINK, Kind.CHARACTER, Kind.FIFO]))
    link = draw(PATHS) if kind in (Kind.SYMLINK, Kind.HARDLINK) else ""
    device = (draw(st.integers(1, 4095)), draw(st.integers(0, 1048575))) if kind is Kind.CHARACTER else (0, 0)
    size = draw(st.integers(0, 3000)) if kind is Kind.FILE else 0
    mode, uid, gid = draw(st.integers(0, 0o7777)), draw(IDS), draw(IDS)
    return Entry(draw(PATHS), kind, mode, uid, gid, size, draw(TIMES), link, device, draw(XATTRS))


def members_of(raw: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """What the standard library reads."""
    with tarfile.open(fileobj=io.BytesIO(raw), encoding="utf-8", errors="surrogateescape") as archive:
        for info in archive:
            yield info, (archive.extractfile(info).read() if info.isreg() else b"")  # type: ignore[union-attr]


TYPES = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.HARDLINK: tarfile.LNKTYPE,
    Kind.CHARACTER: tarfile.CHRTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
}


@given(st.lists(entries(), max_size=4))
def test_what_we_write_the_standard_library_reads(given_entries: list[Entry]) -> None:
    raw = written(*given_entries)
    found = [
        (info.name, info.type, info.mode, info.uid, info.gid, info.size, info.mtime, info.linkname, content)
        for info, content in members_of(raw)
    ]
    assert found == [
        (it.path, TYPES[it.kind], it.mode, it.uid, it.gid, it.size, it.mtime, it.link, content_of(it))
        for it in given_entries
    ]


@given(st.lists(entries(), max_size=4), st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))
def test_what_the_standard_library_writes_we_read(given_entries: list[Entry], form: int) -> None:
    members = []
    for entry in given_entries:
        info, content = member(entry.path, content_of(entry), type=TYPES[entry.kind], linkname=entry.link)
        info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, entry.mtime
        info.devmajor, info.devminor = entry.device
        members.append((info, content))
    raw = make_tar(*members, form=form)
    found = [(entry._replace(offset=-1), content.read()) for entry, content in tar.read_entries(raw)]
    assert found == [(entry._replace(xattrs={}), content_of(entry)) for entry in given_entries]


@given(st.lists(entries(), max_size=4))
def test_what_we_write_we_read(given_entries: list[Entry]) -> None:
    assert read(written(*given_entries)) == given_entries


@pytest.mark.parametrize(
    "entry",
    [
        Entry("", Kind.DIRECTORY, 0o755),
        Entry("new\nline", Kind.FILE, 0o644),
        Entry("not\udcffutf8", Kind.FILE, 0o644),
        Entry("l", Kind.SYMLINK, 0o777, link="to\udcfe"),
        Entry("ü" * 60, Kind.FILE, 0o644),
        Entry("a" * 100, Kind.FILE, 0o644),
        Entry("a" * 101, Kind.DIRECTORY, 0o755),
        Entry("/".join(["d" * 250] * 16), Kind.FILE, 0o644),
        Entry("f", Kind.FILE, 0o7777, 2097152, 0xFFFFFFFE),
        Entry("f", Kind.FILE, 0o644, xattrs={"security.capability": b"\0\1\xff\n", "user.ü": b""}),
        Entry("sda", Kind.BLOCK, 0o660, device=(2097151, 2097151)),
        Entry("a/gone", Kind.WHITEOUT),
        Entry("a", Kind.OPAQUE),
        Entry("", Kind.OPAQUE),
    ],
    ids=lambda entry: f"{entry.kind} {entry.path[:9]!r}",
)
def test_every_odd_entry_comes_back(entry: Entry) -> None:
    assert read_one(written(entry)) == entry


def test_an_empty_archive_has_no_entries() -> None:
    assert read(tar.END) == read(bytes(10240)) == read(b"") == []


def test_a_file_of_more_than_8_gib_has_its_size_in_a_pax_record() -> None:
    entry = Entry("huge", Kind.FILE, 0o644, size=9 << 30, mtime=5)
    with tarfile.open(fileobj=io.BytesIO(tar.encode(entry))) as archive:
        assert archive.firstmember.size == 9 << 30  # type: ignore[attr-defined]
    stream = Repeated(tar.encode(entry), 9 << 30, written(Entry("after", Kind.FILE)))
    found = [(entry.path, entry.size, entry.offset) for entry, _ in tar.read_entries(stream)]  # type: ignore[arg-type]
    assert found == [("huge", 9 << 30, 1536), ("after", 0, 1536 + (9 << 30) + 512)]


class Repeated(io.RawIOBase):
    """A head, so many zeros, a tail: a stream that nobody has to store."""

    def __init__(self, head: bytes, zeros: int, tail: bytes) -> None:
        self._head, self._zeros, self._tail, self._chunk = io.BytesIO(head), zeros, io.BytesIO(tail), bytes(1 << 20)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if data := self._head.read(size):
            return data
        if self._zeros:
            data = self._chunk[: min(size, self._zeros)]
            self._zeros -= len(data)
            return data
        return self._tail.read(size)


def test_content_that_nobody_read_is_skipped() -> None:
    raw = written(Entry("a", Kind.FILE, size=700), Entry("b", Kind.FILE, size=1))
    contents = [content.read(3) for _, content in tar.read_entries(io.BytesIO(raw))]
    assert contents == [b"aaa", b"b"]


def test_a_stream_that_comes_in_drops_is_read() -> None:
    class Drops(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, 7))

    given_entries = [Entry("a" * 120, Kind.FILE, size=700), Entry("b", Kind.FILE, size=1)]
    stream = Drops(written(*given_entries))
    found = [(entry.path, b"".join(iter(lambda: content.read(9), b""))) for entry, content in tar.read_entries(stream)]  # noqa: B023
    assert found == [(entry.path, content_of(entry)) for entry in given_entries]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/abs/f", "abs/f"),
        ("./f", "f"),
        ("a//b", "a/b"),
        ("a/./b/.", "a/b"),
        ("a/b/../c", "a/c"),
        ("//../f".replace("..", "."), "f"),
        ("...", "..."),
    ],
)
def test_names_are_cleaned(name: str, path: str) -> None:
    assert read_one(make_tar(member(name)).getvalue()).path == path


def test_a_name_with_a_slash_at_its_end_is_a_directory_as_in_old_tars() -> None:
    assert read_one(make_tar(member("d/", type=tarfile.AREGTYPE)).getvalue()).kind is Kind.DIRECTORY


def test_a_prefix_belongs_to_the_name() -> None:
    raw = make_tar(member("d" * 90 + "/" + "f" * 90), form=tarfile.USTAR_FORMAT).getvalue()
    assert read_one(raw).path == "d" * 90 + "/" + "f" * 90


def test_a_global_header_gives_what_entries_don_t_say_themselves() -> None:
    raw = io.BytesIO()
    with tarfile.open(
        fileobj=raw, mode="w", format=tarfile.PAX_FORMAT, pax_headers={"uid": "7", "comment": "x"}
    ) as archive:
        archive.addfile(member("f")[0])
        archive.addfile(member("g", pax_headers={"uid": "8"})[0])
    assert [(entry.path, entry.uid) for entry in read(raw.getvalue())] == [("f", 7), ("g", 8)]


def test_times_are_rounded_down_to_whole_seconds() -> None:
    times = {"a": "1.999", "b": "-1.5", "c": "-2", "d": "-3.000"}
    raw = make_tar(*(member(name, pax_headers={"mtime": time}) for name, time in times.items())).getvalue()
    assert [entry.mtime for entry in read(raw)] == [1, -2, -2, -3]


def test_attributes_of_overlay_are_dropped() -> None:
    records = {f"SCHILY.xattr.{name}": "x" for name in ("trusted.overlay.redirect", "user.overlay.opaque", "user.kept")}
    assert read_one(make_tar(member("f", pax_headers=records)).getvalue()).xattrs == {"user.kept": b"x"}


def test_a_character_device_0_0_is_a_whiteout() -> None:
    assert read_one(make_tar(member("f", type=tarfile.CHRTYPE)).getvalue()) == Entry("f", Kind.WHITEOUT)


def test_what_aufs_left_behind_is_left_out() -> None:
    raw = make_tar(
        directory(".wh..wh.plnk"), member(".wh..wh.plnk/1.2"), member(".wh..wh.aufs"), member("f")
    ).getvalue()
    assert [entry.path for entry in read(raw)] == ["f"]


def test_the_content_of_a_whiteout_is_skipped_and_not_read_as_headers() -> None:
    hidden = make_tar(member("hidden")).getvalue()
    raw = make_tar(member("d/.wh.f", hidden), member(".wh..wh.aufs", hidden), member("g")).getvalue()
    assert [entry.path for entry in read(raw)] == ["d/f", "g"]


def test_a_link_that_says_a_size_has_no_content_all_the_same() -> None:
    raw = bytearray(make_tar(member("l", type=tarfile.SYMTYPE, linkname="x"), member("after")).getvalue())
    raw[124:136] = b"00000001000\0"
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    assert [(entry.path, entry.size) for entry in read(bytes(raw))] == [("l", 0), ("after", 0)]


def test_checksums_of_signed_bytes_are_taken() -> None:
    raw = bytearray(make_tar(member("ü"), form=tarfile.GNU_FORMAT).getvalue())
    signed = sum(struct.unpack("148b8x356b", raw[:512])) + 8 * 0x20
    raw[148:156] = b"%06o\0 " % signed
    assert read_one(bytes(raw)).path == "ü"
