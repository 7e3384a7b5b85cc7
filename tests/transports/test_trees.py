"""The tree of an image, as a directory and as one tar: what a container of it would see."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from minibuild.errors import IntegrityError, UnavailableError, UsageError
from minibuild.events import Transferred, silent
from minibuild.layers.entry import Kind
from minibuild.oci import Image
from minibuild.store import Store
from minibuild.transports.local import LocalDirectory
from minibuild.transports.tar import TarFile
from tests.machine import require
from tests.transports.conftest import compressed, directory, file, image_of, other

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


@pytest.fixture
def rich(store: Store) -> Image:
    """Three layers that hold, hide, replace and link."""
    lower = [
        directory("bin", mode=0o711),
        file("bin/tool", b"tool v1", mode=0o4755, uid=7, gid=8),
        other("bin/alias", Kind.HARDLINK, link="bin/tool"),
        other("bin/soft", Kind.SYMLINK, mode=0o777, link="tool"),
        directory("data"),
        file("data/hidden", b"x"),
        directory("gone"),
        file("gone/deep", b"x"),
        file(os.fsdecode(b"not utf-8 \xff"), b"bytes"),
    ]
    middle = [
        directory("data"),
        other("data", Kind.OPAQUE, mode=0, mtime=0),
        file("data/shown", b"y" * 2_500_000),
        other("gone", Kind.WHITEOUT, mode=0, mtime=0),
    ]
    upper = [directory("bin"), file("bin/tool", b"tool v2", mode=0o755)]
    return image_of(store, lower, middle, upper)


EXPECTED = {"bin", "bin/alias", "bin/soft", "bin/tool", "data", "data/shown", os.fsdecode(b"not utf-8 \xff")}


def exported_tar(store: Store, image: Image) -> tarfile.TarFile:
    sink = io.BytesIO()
    TarFile(sink).export(image, [], store, silent)
    sink.seek(0)
    return tarfile.open(fileobj=sink, errors="surrogateescape")


def found_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def test_a_tar_holds_what_a_container_would_see(store: Store, rich: Image) -> None:
    archive = exported_tar(store, rich)
    assert set(archive.getnames()) == EXPECTED
    contents = {name: archive.extractfile(name) for name in ("bin/tool", "bin/alias", "data/shown")}
    assert {name: content.read() for name, content in contents.items() if content} == {
        "bin/tool": b"tool v2",
        "bin/alias": b"tool v1",
        "data/shown": b"y" * 2_500_000,
    }
    alias = archive.getmember("bin/alias")
    assert (alias.mode, alias.uid, alias.gid, alias.mtime) == (0o4755, 7, 8, 1_700_000_000)


def test_names_of_one_file_stay_links_of_one_another(store: Store) -> None:
    layer = [file("a", b"content"), other("b", Kind.HARDLINK, link="a"), other("c", Kind.HARDLINK, link="b")]
    archive = exported_tar(store, image_of(store, layer))
    assert [(member.name, member.type, member.linkname) for member in archive.getmembers()] == [
        ("a", tarfile.REGTYPE, ""),
        ("b", tarfile.LNKTYPE, "a"),
        ("c", tarfile.LNKTYPE, "a"),
    ]


def test_a_tar_of_compressed_layers_is_the_same(store: Store, rich: Image) -> None:
    before, after = io.BytesIO(), io.BytesIO()
    TarFile(before).export(rich, [], store, silent)
    TarFile(after).export(compressed(store, rich), [], store, silent)
    assert before.getvalue() == after.getvalue()


def test_a_tar_tells_how_far_it_is(store: Store, rich: Image) -> None:
    events: list[Transferred] = []
    sink = io.BytesIO()
    TarFile(sink).export(rich, [], store, events.append)  # type: ignore[arg-type]
    assert events[-1] == Transferred(0, "files", len(sink.getvalue()), None)
    assert len(events) > 2


def test_a_directory_holds_what_a_container_would_see(store: Store, rich: Image, tmp_path: Path) -> None:
    LocalDirectory(tmp_path / "out").export(rich, [], store, silent)
    out = tmp_path / "out"
    assert found_below(out) == EXPECTED
    assert (out / "bin/tool").read_bytes() == b"tool v2"
    assert (out / "bin/alias").read_bytes() == b"tool v1"
    assert os.readlink(out / "bin/soft") == "tool"
    assert (out / "bin").stat().st_mtime == (out / "bin/alias").stat().st_mtime == 1_700_000_000
    assert stat.S_IMODE((out / "bin/alias").stat().st_mode) == 0o4755
    assert sorted(os.listdir(tmp_path)) == ["out", "store"]


def test_root_keeps_owners_links_capabilities_and_nodes(store: Store, tmp_path: Path) -> None:
    require(root=True)
    layer = [
        file("a", b"x", uid=1234, gid=2345, xattrs={"security.capability": CAPABILITY}),
        other("b", Kind.HARDLINK, link="a"),
        other("null", Kind.CHARACTER, mode=0o666, device=(1, 3)),
        other("pipe", Kind.FIFO, mode=0o600),
    ]
    LocalDirectory(tmp_path / "out").export(image_of(store, layer), [], store, silent)
    found = (tmp_path / "out" / "a").stat()
    assert (found.st_uid, found.st_gid, found.st_nlink) == (1234, 2345, 2)
    assert os.getxattr(tmp_path / "out" / "a", "security.capability") == CAPABILITY
    assert (tmp_path / "out" / "null").stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISFIFO((tmp_path / "out" / "pipe").stat().st_mode)


def test_a_directory_that_was_there_keeps_what_the_image_does_not_have(
    store: Store, rich: Image, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "bin").mkdir(parents=True)
    (out / "bin" / "tool").write_text("old")
    (out / "bin" / "mine").write_text("mine")
    LocalDirectory(out).export(rich, [], store, silent)
    assert found_below(out) == EXPECTED | {"bin/mine"}
    assert (out / "bin" / "tool").read_bytes() == b"tool v2"
    assert (out / "bin" / "mine").read_text() == "mine"


def test_nothing_is_written_through_a_symlink_that_was_there(store: Store, rich: Image, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "bin").symlink_to("../elsewhere")
    with pytest.raises(UsageError, match="out/bin is a symbolic link, the image has a directory there"):
        LocalDirectory(tmp_path / "out").export(rich, [], store, silent)
    assert os.listdir(tmp_path / "elsewhere") == []
    assert os.listdir(tmp_path / "out") == ["bin"]


def test_a_file_that_was_a_symlink_takes_its_place(store: Store, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").symlink_to("../precious")
    LocalDirectory(tmp_path / "out").export(image_of(store, [file("a", b"new")]), [], store, silent)
    assert (tmp_path / "out" / "a").read_text() == "new"
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_full_directory_never_gives_way_to_a_file(store: Store, rich: Image, tmp_path: Path) -> None:
    (tmp_path / "out" / "bin" / "tool" / "deep").mkdir(parents=True)
    with pytest.raises(UsageError, match="out/bin/tool is a directory, the image has a file there"):
        LocalDirectory(tmp_path / "out").export(rich, [], store, silent)
    assert found_below(tmp_path / "out") == {"bin", "bin/tool", "bin/tool/deep"}


def test_a_symlink_of_the_image_leads_nobody_out(store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    layers = [
        [other("x", Kind.SYMLINK, mode=0o777, link=str(tmp_path / "elsewhere"))],
        [directory("x"), file("x/planted", b"!")],
    ]
    LocalDirectory(tmp_path / "out").export(image_of(store, *layers), [], store, silent)
    assert os.listdir(tmp_path / "elsewhere") == []
    assert (tmp_path / "out" / "x" / "planted").read_bytes() == b"!"


def test_a_directory_is_not_made_of_a_file(store: Store, rich: Image, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="is a file, wanted a directory"):
        LocalDirectory(tmp_path / "out").export(rich, [], store, silent)


def test_a_damaged_layer_leaves_no_directory(store: Store, tmp_path: Path) -> None:
    image = image_of(store, [directory("d", mode=0), file("d/a", b"content " * 1000)])
    path = store.blobs.path(image.layers[0].diff_id)
    content = bytearray(path.read_bytes())
    content[1500] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="'d/a' of the image"):
        LocalDirectory(tmp_path / "out").export(image, [], store, silent)
    assert os.listdir(tmp_path) == ["store"]


# Everything is imported first: a plain user may not be let into the directory of this python.
AS_PLAIN_USER = """
import os, shutil, sys
from pathlib import Path
from minibuild.errors import MinibuildError
from minibuild.events import silent
from minibuild.layers import tree, unpack
from minibuild.store import Store
from minibuild.transports.local import LocalDirectory
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with Store.at(Path(sys.argv[1])) as store:
    [(_, image)] = store.images.list()
    try:
        LocalDirectory(Path(sys.argv[2])).export(image, [], store, silent)
    except MinibuildError as error:
        sys.exit(f"{type(error).__name__}: {error.message} ({error.hint})")
"""


def export_as_plain_user(store: Store, image: Image, place: Path) -> subprocess.CompletedProcess[str]:
    store.images.keep(image)
    store.close()
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    for path in (store.root, *store.root.rglob("*")):
        os.chown(path, 65534, 65534)
    for path in [*place.parents][:-2]:
        path.chmod(path.stat().st_mode | 0o055)
    command = [sys.executable, "-c", AS_PLAIN_USER, str(store.root), str(place / "out")]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_plain_user_s_files_are_its_own(tmp_path: Path) -> None:
    require(root=True)
    store = Store.at(tmp_path / "s")
    layer = [directory("d", mode=0o555, uid=5), file("d/a", b"x", mode=0o640, uid=1234, gid=2345)]
    done = export_as_plain_user(store, image_of(store, layer), tmp_path / "place")
    assert done.returncode == 0, done.stderr
    found = (tmp_path / "place" / "out" / "d" / "a").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, 65534, 0o640)


def test_a_plain_user_hears_of_nodes_that_only_root_can_make(tmp_path: Path) -> None:
    require(root=True)
    store = Store.at(tmp_path / "s")
    image = image_of(store, [directory("dev"), other("dev/null", Kind.CHARACTER, device=(1, 3))])
    done = export_as_plain_user(store, image, tmp_path / "place")
    assert done.returncode == 1
    assert "UnavailableError: /dev/null is a device node, which only root can make" in done.stderr
    assert os.listdir(tmp_path / "place") == []


def test_a_reader_of_the_tar_that_goes_away_is_one_clear_error(store: Store, rich: Image) -> None:
    receiving, sending = os.pipe()
    os.close(receiving)
    with (
        open(sending, "wb", buffering=0) as sink,
        pytest.raises(UnavailableError, match="standard output was closed before all was written"),
    ):
        TarFile(sink).export(rich, [], store, silent)
