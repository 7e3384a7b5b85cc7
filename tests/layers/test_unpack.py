"""A layer is unpacked as it says, deletions included, and an index is read without unpacking."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import tempfile
from pathlib import Path

import pytest

from minibuild.layers.entry import Kind
from minibuild.layers.unpack import WhiteoutStyle, read_index, unpack
from tests.layers.tars import directory, hard_link, listing, make_tar, member, needs_root, symlink

OVERLAYS = (WhiteoutStyle.OVERLAY_TRUSTED, WhiteoutStyle.OVERLAY_USER)
EVERY_OVERLAY = pytest.mark.parametrize("style", OVERLAYS, ids=["trusted", "user"])


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def is_whiteout(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: Path, style: WhiteoutStyle) -> bool:
    return style.value in os.listxattr(path) and os.getxattr(path, style.value) == b"y"


def test_files_come_with_content_mode_and_time(tmp_path: Path) -> None:
    layer = make_tar(directory("d", mtime=-5), member("d/f", b"hello", mode=0o640, mtime=1_000_000_000))
    unpack(layer, tmp_path)
    assert (tmp_path / "d/f").read_bytes() == b"hello"
    assert stat.S_IMODE((tmp_path / "d/f").stat().st_mode) == 0o640
    assert [(tmp_path / name).stat().st_mtime for name in ("d", "d/f")] == [-5, 1_000_000_000]


def test_the_umask_takes_nothing_away(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        unpack(make_tar(directory("d", mode=0o777), member("i/f", mode=0o666)), tmp_path)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("d", "i", "i/f")] == [0o777, 0o755, 0o666]


def test_a_directory_that_cannot_be_written_to_still_gets_its_files(tmp_path: Path) -> None:
    unpack(make_tar(directory("d", mode=0o555), member("d/f", b"x")), tmp_path)
    assert (tmp_path / "d/f").read_bytes() == b"x"
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o555


def test_the_index_of_what_was_unpacked_is_the_one_that_is_read(tmp_path: Path) -> None:
    layer = make_tar(
        directory("etc"), member("etc/passwd", b"root:x:0:0"), member("big", bytes(3 << 20)), hard_link("l", "big"),
        member("etc/.wh.group"), symlink("s", "etc"),
    )  # fmt: skip
    unpacked = unpack(layer, tmp_path)
    layer.seek(0)
    assert read_index(layer) == unpacked
    assert unpacked.texts == {"etc/passwd": b"root:x:0:0"}


def test_an_index_knows_digest_and_place_of_every_content() -> None:
    raw = make_tar(member("a", b"one"), member("long/" * 30 + "b", b"another")).getvalue()
    for entry in read_index(io.BytesIO(raw)).entries:
        content = raw[entry.offset : entry.offset + entry.size]
        assert content in (b"one", b"another")
        assert entry.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_the_stream_is_read_to_its_end(tmp_path: Path) -> None:
    layer = io.BytesIO(make_tar(member("f")).getvalue() + b"what comes after the end")
    unpack(layer, tmp_path)
    assert layer.read() == b""


def test_of_two_entries_with_one_path_the_later_stays(tmp_path: Path) -> None:
    unpack(make_tar(symlink("x", "/etc"), member("x", b"one"), hard_link("y", "x"), member("x", b"two")), tmp_path)
    assert [(tmp_path / name).read_bytes() for name in "xy"] == [b"two", b"one"]


def test_a_file_named_twice_is_a_link_to_itself_that_changes_nothing(tmp_path: Path) -> None:
    index = unpack(make_tar(member("f", b"x"), hard_link("f", "f")), tmp_path)
    assert (tmp_path / "f").read_bytes() == b"x"
    assert [entry.kind for entry in index.entries] == [Kind.FILE]


def test_a_whiteout_deletes_from_the_tree_that_is_there(tmp_path: Path) -> None:
    unpack(make_tar(member("d/f"), member("d/s/g"), member("keep")), tmp_path)
    unpack(make_tar(member("d/.wh.f"), member(".wh.nothing"), member("no/such/.wh.f"), member("d/.wh.s")), tmp_path)
    assert names(tmp_path) == ["d", "keep"]


@pytest.mark.parametrize("deletion", [".wh.d", "d/.wh..wh..opq"], ids=["whiteout", "opaque"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_deletion_spares_what_its_own_layer_has_wherever_it_stands(tmp_path: Path, deletion: str, place: int) -> None:
    unpack(make_tar(member("d/old"), member("d/s/old"), member("d/both", b"old")), tmp_path)
    members = [member("d/s/new"), member("d/both", b"new")]
    members.insert(place, member(deletion))
    unpack(make_tar(*members), tmp_path)
    assert names(tmp_path) == ["d", "d/both", "d/s", "d/s/new"]
    assert (tmp_path / "d/both").read_bytes() == b"new"


def test_a_file_replaces_a_directory_and_a_directory_a_file(tmp_path: Path) -> None:
    unpack(make_tar(member("a/b/c"), member("f")), tmp_path)
    unpack(make_tar(member("a", b"x"), directory("f")), tmp_path)
    assert names(tmp_path) == ["a", "f"]
    assert (tmp_path / "f").is_dir()


def test_a_file_of_a_layer_below_is_replaced_not_written_to(tmp_path: Path) -> None:
    unpack(make_tar(member("f", b"old"), hard_link("g", "f")), tmp_path)
    unpack(make_tar(member("f", b"new")), tmp_path)
    assert (tmp_path / "g").read_bytes() == b"old"


def test_directories_that_a_layer_does_not_describe_keep_their_times(tmp_path: Path) -> None:
    unpack(make_tar(directory(".", mtime=7), directory("d", mtime=42), member("d/old")), tmp_path)
    unpack(make_tar(member("d/f"), member("d/.wh.old"), member("g")), tmp_path)
    assert [path.stat().st_mtime for path in (tmp_path / "d", tmp_path)] == [42, 7]


def test_a_directory_given_anew_loses_the_attributes_it_had(tmp_path: Path) -> None:
    unpack(make_tar(directory("d", pax_headers={"SCHILY.xattr.user.old": "1"})), tmp_path)
    unpack(make_tar(directory("d", pax_headers={"SCHILY.xattr.user.new": "2"})), tmp_path)
    assert os.listxattr(tmp_path / "d") == ["user.new"]


@EVERY_OVERLAY
@needs_root
def test_a_whiteout_becomes_the_mark_that_overlay_knows(tmp_path: Path, style: WhiteoutStyle) -> None:
    unpack(make_tar(directory("d"), member("d/.wh.f")), tmp_path, style)
    assert is_whiteout(tmp_path / "d/f")
    assert not is_opaque(tmp_path / "d", style)


@EVERY_OVERLAY
@pytest.mark.parametrize(
    "members", [(".wh.d", "d/f"), ("d/f", ".wh.d"), ("d/.wh..wh..opq", "d/f"), ("d/.wh.x", ".wh.d", "d/f")]
)
@needs_root
def test_a_directory_made_anew_is_opaque(tmp_path: Path, style: WhiteoutStyle, members: tuple[str, ...]) -> None:
    unpack(make_tar(*map(member, members)), tmp_path, style)
    assert is_opaque(tmp_path / "d", style)
    assert names(tmp_path) == ["d", "d/f"]


@pytest.mark.parametrize("members", [(".wh.d", "d/.wh.f"), ("d/.wh.f", ".wh.d")])
@needs_root
def test_whiteouts_in_a_deleted_directory_bring_it_not_back(tmp_path: Path, members: tuple[str, ...]) -> None:
    unpack(make_tar(*map(member, members)), tmp_path, WhiteoutStyle.OVERLAY_TRUSTED)
    assert names(tmp_path) == ["d"]
    assert is_whiteout(tmp_path / "d")


@EVERY_OVERLAY
@pytest.mark.parametrize("members", [("d", ".wh..wh..opq"), (".wh..wh..opq", "d"), (".wh.d", "d"), ("d", ".wh.d")])
@needs_root
def test_a_directory_that_is_described_and_opaque_is_both(
    tmp_path: Path, style: WhiteoutStyle, members: tuple[str, ...]
) -> None:
    described = directory("d", mode=0o711, pax_headers={"SCHILY.xattr.user.a": "1"})
    marks = {".wh..wh..opq": member("d/.wh..wh..opq"), ".wh.d": member(".wh.d"), "d": described}
    unpack(make_tar(*(marks[name] for name in members)), tmp_path, style)
    assert is_opaque(tmp_path / "d", style)
    assert os.getxattr(tmp_path / "d", "user.a") == b"1"
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o711


@pytest.mark.parametrize("members", [(".wh.f", "f"), ("f/.wh.x", "f")])
@needs_root
def test_a_file_in_the_place_of_what_was_deleted_needs_no_mark(tmp_path: Path, members: tuple[str, ...]) -> None:
    unpack(make_tar(*map(member, members)), tmp_path, WhiteoutStyle.OVERLAY_TRUSTED)
    assert names(tmp_path) == ["f"]
    assert (tmp_path / "f").is_file()


@needs_root
def test_a_directory_that_a_layer_does_not_describe_is_made_like_the_one_below(tmp_path: Path) -> None:
    older, newer, upper = (tmp_path / name for name in ("older", "newer", "upper"))
    for root in (older, newer, upper):
        root.mkdir()
    described = directory("tmp", mode=0o1777, uid=12, gid=34, mtime=99, pax_headers={"SCHILY.xattr.user.a": "1"})
    unpack(make_tar(described), older)
    unpack(make_tar(member("tmp/f"), member("none/f")), upper, WhiteoutStyle.OVERLAY_TRUSTED, below=[newer, older])
    assert listing(upper)["tmp"] == listing(older)["tmp"]
    assert stat.S_IMODE((upper / "none").stat().st_mode) == 0o755


@needs_root
def test_an_opaque_root_hides_every_name_below(tmp_path: Path) -> None:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    lower.mkdir()
    upper.mkdir()
    unpack(make_tar(member("f"), member("d/x"), member("both/old"), member("same")), lower)
    layer = make_tar(member(".wh..wh..opq"), member("both/new"), member("same", b"new"))
    unpack(layer, upper, WhiteoutStyle.OVERLAY_TRUSTED, below=[lower])
    assert names(upper) == ["both", "both/new", "d", "f", "same"]
    assert is_whiteout(upper / "d") and is_whiteout(upper / "f") and not is_whiteout(upper / "same")
    assert is_opaque(upper / "both", WhiteoutStyle.OVERLAY_TRUSTED)


@needs_root
def test_owners_setuid_devices_and_capabilities_come_as_root(tmp_path: Path) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    records = {"SCHILY.xattr.security.capability": capability.decode()}
    layer = make_tar(
        member("su", b"x", mode=0o6755, uid=1_000_000, gid=7, pax_headers=records),
        member("null", type=tarfile.CHRTYPE, mode=0o666, devmajor=1, devminor=3),
        member("pipe", type=tarfile.FIFOTYPE, mode=0o600),
        symlink("s", "nowhere"),
        hard_link("l", "su"),
    )  # fmt: skip
    unpack(layer, tmp_path)
    found = listing(tmp_path)
    assert found["su"][:4] == (stat.S_IFREG, 0o6755, 1_000_000, 7)
    assert os.getxattr(tmp_path / "l", "security.capability") == capability
    assert found["null"][:2] == (stat.S_IFCHR, 0o666) and found["null"][5] == os.makedev(1, 3)
    assert found["pipe"][:2] == (stat.S_IFIFO, 0o600)
    assert found["s"][6] == Path("nowhere")


@needs_root
def test_a_plain_user_unpacks_what_a_plain_user_can() -> None:
    layer = make_tar(
        member("f", b"x", mode=0o4755, uid=7, gid=7),
        member("sda", type=tarfile.BLKTYPE, devmajor=8),
        directory("d", mode=0o500, uid=7),
        member("d/.wh.f"),
        member("g", b"", mode=0o444, pax_headers={"SCHILY.xattr.trusted.a": "1", "SCHILY.xattr.user.b": "2"}),
    )
    with tempfile.TemporaryDirectory() as directory_of_all:  # pytest's own is closed to others
        root = Path(directory_of_all)
        os.chown(root, 65534, 65534)
        child = os.fork()
        if child == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                index = unpack(layer, root, WhiteoutStyle.OVERLAY_USER)
                os._exit(0 if len(index.entries) == 5 else 1)
            except BaseException:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert names(root) == ["d", "d/f", "f", "g"]
        assert (root / "f").stat().st_uid == 65534
        assert os.listxattr(root / "g") == ["user.b"]
