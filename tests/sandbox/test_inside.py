"""No path of a tree leads out of it, and no mount point is left behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minibuild.sandbox.files import make_directory_in_root, read_in_root
from minibuild.sandbox.inside import mount_points, resolve


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with links that try to leave; beside it stands a secret."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    (root / "usr/lib").mkdir(parents=True)
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0")
    for name, target in {
        "lib": "usr/lib",
        "absolute": "/etc",
        "up": "../../..",
        "out": "../secret",
        "etc/resolv.conf": "../run/systemd/resolv.conf",
        "a": "b",
        "b": "a",
        "chain": "absolute/passwd",
        "slash": "/",
    }.items():
        (root / name).symlink_to(target)
    return root


@pytest.mark.parametrize(
    ("path", "expected", "exists"),
    [
        ("/", "/", True),
        ("etc/passwd", "/etc/passwd", True),
        ("/lib//x/./y", "/usr/lib/x/y", False),
        ("/absolute/passwd", "/etc/passwd", True),
        ("/chain", "/etc/passwd", True),
        ("/up/etc/passwd", "/etc/passwd", True),
        ("/../../etc/passwd", "/etc/passwd", True),
        ("/out", "/secret", False),
        ("/slash/slash/up/etc", "/etc", True),
        ("/etc/resolv.conf", "/run/systemd/resolv.conf", False),
        ("/missing/../etc", "/etc", True),
        ("/usr/lib/../../etc", "/etc", True),
    ],
)
def test_a_path_resolves_as_for_a_process_in_the_tree(root: Path, path: str, expected: str, exists: bool) -> None:
    place = resolve(root, path)

    assert (place.path, place.status is not None) == (expected, exists)


def test_a_ring_of_links_is_an_error(root: Path) -> None:
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        resolve(root, "/a/x")


def test_nothing_stands_below_a_file(root: Path) -> None:
    with pytest.raises(NotADirectoryError):
        resolve(root, "/etc/passwd/x")


@pytest.mark.parametrize("path", ["/out", "/etc", "/a", "/nowhere", "/fifo", "/etc/passwd/x"])
def test_only_regular_files_of_the_tree_are_read(root: Path, path: str) -> None:
    os.mkfifo(root / "fifo")

    assert read_in_root(root, path, 100) is None


def test_no_more_is_read_than_asked_for(root: Path) -> None:
    assert read_in_root(root, "/chain", 4) == b"root"


def test_a_directory_is_made_where_links_of_the_tree_lead(root: Path) -> None:
    make_directory_in_root(root, "/up/absolute/new/deep")
    make_directory_in_root(root, "/up/absolute/new/deep")

    assert (root / "etc/new/deep").is_dir()


def test_a_directory_is_made_for_an_owner(root: Path) -> None:
    owner = (os.getuid(), os.getgid()) if os.getuid() else (12, 34)

    make_directory_in_root(root, "/new/deep", owner)

    assert {(path.stat().st_uid, path.stat().st_gid) for path in (root / "new", root / "new/deep")} == {owner}


def tree(root: Path) -> list[tuple[str, int]]:
    return [(str(path), path.lstat().st_mtime_ns) for path in sorted([root, *root.rglob("*")])]


def test_mount_points_are_made_and_leave_no_trace(root: Path) -> None:
    before = tree(root)
    wanted = [("/etc/hosts", False), ("/etc/resolv.conf", False), ("/proc", True), ("/lib/a/b", True), ("/etc", True)]

    with mount_points(root, wanted) as places:
        assert [place.path for place in places] == [
            "/etc/hosts",
            "/run/systemd/resolv.conf",
            "/proc",
            "/usr/lib/a/b",
            "/etc",
        ]
        assert all(place.is_directory == directory for place, (_, directory) in zip(places, wanted, strict=True))

    assert tree(root) == before


def test_a_mount_point_that_was_used_stays(root: Path) -> None:
    with mount_points(root, [("/run/secrets/key", False), ("/cache", True), ("/etc/hosts", False)]):
        (root / "run/pid").write_text("1")
        (root / "cache/x").write_text("x")
        (root / "etc/hosts").write_text("127.0.0.1")

    assert sorted(str(path.relative_to(root)) for path in (root / "run").rglob("*")) == ["run/pid"]
    assert (root / "cache/x").exists()
    assert (root / "etc/hosts").read_text() == "127.0.0.1"


def test_cleaning_up_follows_no_link_that_was_made_meanwhile(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "b").mkdir(parents=True)
    with mount_points(root, [("/run/a/b", True)]):
        (root / "run/a").rename(root / "run/moved")
        (root / "run/a").symlink_to(outside)

    assert (outside / "b").is_dir()


@pytest.mark.parametrize(("path", "directory"), [("/etc", False), ("/etc/passwd", True), ("/etc/passwd/x", False)])
def test_a_mount_point_of_the_wrong_kind_is_refused(root: Path, path: str, directory: bool) -> None:
    with pytest.raises((NotADirectoryError, IsADirectoryError)), mount_points(root, [(path, directory)]):
        pass
