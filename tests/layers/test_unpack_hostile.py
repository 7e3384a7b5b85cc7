"""However hostile a layer is, nothing outside of the directory is written, deleted or changed."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.errors import ImageError
from minibuild.layers.rooted import Rooted
from minibuild.layers.unpack import WhiteoutStyle, unpack
from tests.layers.tars import directory, hard_link, listing, make_tar, member, needs_root, symlink
from tests.machine import is_root

EVERY_STYLE = pytest.mark.parametrize("style", WhiteoutStyle, ids=lambda style: style.name.lower())
Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host; at the end it is as it was."""
    place = tmp_path / "outside"
    (place / "etc").mkdir(parents=True)
    (place / "etc/passwd").write_text("root")
    before = listing(place)
    yield place
    assert listing(place) == before


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where layers are unpacked."""
    place = tmp_path / "root"
    place.mkdir()
    return place


REFUSED: dict[str, tuple[Members, str]] = {
    "write through a symlink": (
        [symlink("x", "OUT"), member("x/etc/passwd", b"evil")],
        "'x/etc/passwd' stands below 'x'",
    ),
    "write through a relative symlink": (
        [symlink("x", "../outside"), member("x/new", b"")],
        "'x/new' stands below 'x'",
    ),
    "write through two symlinks": ([symlink("a", "OUT"), symlink("b", "a"), member("b/f")], "'b/f' stands below 'b'"),
    "make a directory through a symlink": ([symlink("x", "OUT"), directory("x/d")], "'x/d' stands below 'x'"),
    "link out by name": ([hard_link("l", "../outside/etc/passwd")], "leads out of the archive's root"),
    "link out through a symlink": ([symlink("x", "OUT"), hard_link("l", "x/etc/passwd")], "doesn't hold before it"),
    "link to a file of the host": ([hard_link("l", "/etc/passwd")], "'l' is a hard link to 'etc/passwd', which"),
    "link to a file of the layer below": ([hard_link("l", "below")], "'l' is a hard link to 'below', which"),
    "a symlink chain of a long path": (
        [symlink("a", "/".join(["d" * 200] * 9)), symlink("e", "OUT"), member("a/../../e/f")],
        "leads out of the archive's root",
    ),
    "hide through a symlink": ([symlink("x", "OUT"), member("x/.wh..wh..opq")], "'x' stands below 'x'"),
}


@EVERY_STYLE
@pytest.mark.parametrize("attack", REFUSED)
def test_the_attack_is_refused(root: Path, outside: Path, attack: str, style: WhiteoutStyle) -> None:
    members, message = REFUSED[attack]
    (root / "below").write_text("of a layer below")
    for info, _ in members:
        info.linkname = info.linkname.replace("OUT", str(outside))
    with pytest.raises(ImageError, match=message):
        unpack(make_tar(*members), root, style)


@EVERY_STYLE
@pytest.mark.parametrize(
    "name", ["x/etc/passwd", "x/.wh.etc", "x/etc/.wh.passwd", "x/.wh..wh..opq", "x/etc/.wh..wh..opq", ".wh.x", "x"]
)
def test_a_symlink_of_a_layer_below_is_replaced_and_never_followed(
    root: Path, outside: Path, name: str, style: WhiteoutStyle
) -> None:
    if style is not WhiteoutStyle.APPLY and not is_root() and ".wh." in name:
        pytest.skip("marks of overlay are tested as root")
    (root / "x").symlink_to(outside)
    unpack(make_tar(member(name, b"" if ".wh." in name else b"new")), root, style)
    assert outside.is_dir()
    if not name.startswith("x/.wh.") and "/.wh." not in name:
        assert not (root / "x").is_symlink()


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.SYMTYPE, tarfile.REGTYPE])
def test_what_stands_in_a_file_s_place_is_replaced_not_written_to(root: Path, outside: Path, kind: bytes) -> None:
    target = str(outside / "etc/passwd")
    unpack(make_tar(member("f", type=kind, linkname=target), member("f", b"new")), root)
    assert (root / "f").read_bytes() == b"new"
    assert not (root / "f").is_symlink()


def test_a_mode_is_not_given_to_what_a_symlink_points_to(root: Path, outside: Path) -> None:
    unpack(make_tar(member("l", type=tarfile.SYMTYPE, linkname=str(outside / "etc/passwd"), mode=0o4777)), root)
    assert (root / "l").is_symlink()


def test_a_whiteout_of_a_symlink_deletes_the_link_alone(root: Path, outside: Path) -> None:
    (root / "x").symlink_to(outside)
    unpack(make_tar(member(".wh.x")), root)
    assert list(root.iterdir()) == []


@needs_root
def test_overlay_s_attributes_in_a_layer_are_dropped(root: Path) -> None:
    records = {f"SCHILY.xattr.{space}.overlay.redirect": "/../../etc" for space in ("trusted", "user")}
    unpack(make_tar(directory("d", pax_headers=records), member("f", pax_headers=records)), root)
    assert os.listxattr(root / "d") == os.listxattr(root / "f") == []


def test_a_directory_cannot_become_a_file_in_one_layer(root: Path) -> None:
    with pytest.raises(ImageError, match="'d' is a directory and something else"):
        unpack(make_tar(member("d/f"), member("d")), root)


def test_a_name_that_no_file_system_takes_is_an_error_that_says_so(root: Path) -> None:
    with pytest.raises(ImageError, match=r"'n+' of a layer can't be unpacked: file name too long"):
        unpack(make_tar(member("n" * 300)), root)


def test_a_tree_of_two_thousand_directories_is_made_and_removed(root: Path) -> None:
    unpack(make_tar(member("d/" * 2000 + "f")), root)
    unpack(make_tar(member(".wh.d")), root)
    assert list(root.iterdir()) == []


def test_no_descriptor_stays_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    unpack(make_tar(*(member(f"d{number}/e/f") for number in range(200))), root)
    with pytest.raises(ImageError):
        unpack(make_tar(member("d1/e/g"), hard_link("l", "nothing")), root)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_rooted_directory_finds_nothing_through_a_symlink(root: Path, outside: Path) -> None:
    (root / "x").symlink_to(outside)
    (root / "f").touch()
    with Rooted(root) as rooted:
        assert rooted.find("x") is rooted.find("x/etc") is rooted.find("f") is rooted.find("none") is None
