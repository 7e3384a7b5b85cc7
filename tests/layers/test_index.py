"""An index keeps all of a layer's entries, answers by path, and survives being written down."""

from __future__ import annotations

import pytest

from minibuild.errors import ImageError, IntegrityError
from minibuild.layers.entry import Entry, Kind
from minibuild.layers.index import Index, IndexBuilder

DIGEST = "sha256:" + "0f" * 32
ENTRIES = (
    Entry("", Kind.DIRECTORY, 0o755, mtime=-7),
    Entry("bin/su\udcff\n", Kind.FILE, 0o4755, 0, 5, 9, 1700000000, xattrs={"user.a": b"\x00\xff"}, digest=DIGEST),
    Entry("bin/sh", Kind.HARDLINK, 0o755, size=3, link="bin/su\udcff\n", digest=DIGEST, offset=1536),
    Entry("dev/sda", Kind.BLOCK, 0o660, device=(8, 1)),
    Entry("lib", Kind.SYMLINK, 0o777, link="usr/lib"),
    Entry("etc/gone", Kind.WHITEOUT, offset=512),
    Entry("var", Kind.OPAQUE),
)


def test_an_index_comes_back_as_it_was_written() -> None:
    index = Index(ENTRIES, {"etc/passwd": b"root:\xff\n"})
    assert Index.decode(index.encode()) == index


def test_an_empty_index_comes_back_too() -> None:
    assert Index.decode(Index(()).encode()) == Index(())


def test_an_index_is_the_same_bytes_each_time() -> None:
    one = Entry("f", Kind.FILE, xattrs={"user.a": b"1", "user.b": b"2"})
    other = Entry("f", Kind.FILE, xattrs={"user.b": b"2", "user.a": b"1"})
    assert Index((one,)).encode() == Index((other,)).encode()


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw[:-9],
        lambda _: b"[]",
        lambda _: b"null",
        lambda raw: raw.replace(b'"kinds":"d', b'"kinds":"?'),
        lambda raw: raw.replace(b'"kinds":"d', b'"kinds":"'),
        lambda raw: raw.replace(b'"format":', b'"format":9'),
        lambda raw: raw.replace(b"00ff", b"zzzz"),
        lambda _: b"[" * 100_000,
    ],
    ids=["cut", "list", "null", "kind", "short column", "format", "hex", "depth"],
)
def test_a_damaged_index_is_an_integrity_error(damage) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(IntegrityError, match="the index"):
        Index.decode(damage(Index(ENTRIES).encode()))


def test_an_index_lists_the_names_in_a_directory_also_those_that_only_follow() -> None:
    index = Index(ENTRIES)
    assert index.children("") == ["bin", "dev", "lib", "var"]
    assert index.children("bin") == ["sh", "su\udcff\n"]
    assert index.children("lib") == ()
    assert (set(index.whiteouts), set(index.opaques)) == ({"etc/gone"}, {"var"})


def built(*entries: Entry) -> Index:
    table = IndexBuilder()
    for entry in entries:
        table.add(entry)
    return table.complete()


def test_of_two_entries_with_one_path_the_later_counts() -> None:
    first, second = Entry("f", Kind.FILE, size=1), Entry("f", Kind.SYMLINK, link="x")
    assert built(first, Entry("g", Kind.FILE), second).entries == (Entry("g", Kind.FILE), second)


def test_a_hard_link_says_all_that_its_file_says() -> None:
    file = Entry("f", Kind.FILE, 0o644, 1, 2, 3, 4, digest=DIGEST, offset=512)
    index = built(file, Entry("l", Kind.HARDLINK, link="f"), Entry("m", Kind.HARDLINK, link="l"))
    assert index.find("l") == file._replace(path="l")
    assert index.find("m") == file._replace(path="m")
    assert index.entries[2] == file._replace(path="m", kind=Kind.HARDLINK, link="l")


def test_a_further_name_of_a_device_is_a_device() -> None:
    device = Entry("null", Kind.CHARACTER, 0o666, device=(1, 3))
    assert built(device, Entry("zero", Kind.HARDLINK, link="null")).entries[1] == device._replace(path="zero")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((Entry("x", Kind.SYMLINK, link="/"), Entry("x/f", Kind.FILE)), "'x/f' stands below 'x', .* a symlink"),
        ((Entry("x", Kind.FILE), Entry("x/d/f", Kind.FILE)), "'x/d/f' stands below 'x', .* a file"),
        ((Entry("x", Kind.FILE), Entry("x", Kind.OPAQUE)), "'x' stands below 'x'"),
        ((Entry("d/f", Kind.FILE), Entry("d", Kind.FILE)), "'d' is a directory and something else"),
        ((Entry("l", Kind.HARDLINK, link="f"),), "'l' is a hard link to 'f', which its layer doesn't hold before it"),
        ((Entry("d", Kind.DIRECTORY), Entry("l", Kind.HARDLINK, link="d")), "'d', which is a directory"),
    ],
    ids=[
        "below a symlink",
        "below a file",
        "opaque file",
        "file for directory",
        "link to nothing",
        "link to directory",
    ],
)
def test_entries_that_contradict_one_another_are_refused(entries: tuple[Entry, ...], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        built(*entries)


def test_names_that_would_fill_the_memory_are_refused() -> None:
    table = IndexBuilder(most_memory=1 << 20)
    with pytest.raises(ImageError, match="more entries, or longer names, than 1048576 bytes can hold"):
        table.add(Entry("/".join("d" * 2000), Kind.FILE))
