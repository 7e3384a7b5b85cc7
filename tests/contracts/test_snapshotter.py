"""What every snapshotter promises. A new one is in here by its line in the table."""

from __future__ import annotations

import io
import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from minibuild.errors import ImageError
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.pack import pack
from minibuild.snapshots.base import Snapshotter
from minibuild.snapshots.table import TABLE
from tests.isolation import in_thread, isolated
from tests.machine import require

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
NS = 1_000_000_000


def opened(name: str, directory: Path) -> Snapshotter:
    """A snapshotter in an empty directory; skips the test where it can't work."""
    require(root=True)
    reason = in_thread(lambda: TABLE[name].probe(directory))
    if reason:
        pytest.skip(f"{name}: {reason}")
    return TABLE[name].open(directory)


def emptied(directory: Path) -> Path:
    """A directory of devicemapper's, without the trees of earlier tests; making a pool takes a second."""
    in_thread(lambda: TABLE["devicemapper"].probe(directory) or TABLE["devicemapper"].open(directory).retain([]))
    return directory


@pytest.fixture(params=list(TABLE))
def trees(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Where a snapshotter keeps its trees; the directory is called what the snapshotter is."""
    place = request.getfixturevalue("btrfs") / uuid4().hex if request.param == "btrfs" else tmp_path / "trees"
    assert isinstance(place, Path)
    if request.param == "devicemapper":
        return emptied(request.getfixturevalue("thin_pool"))
    return place / request.param


@pytest.fixture
def snapshotter(trees: Path) -> Snapshotter:
    return opened(trees.name, trees)


def write(root: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)


def committed(snapshotter: Snapshotter, chain: str, parent: str | None, change: Callable[[Path], None]) -> list[Change]:
    with snapshotter.workspace(parent) as workspace:
        change(workspace.root)
        return list(workspace.commit(chain).changes())


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


# --- every kind of change ------------------------------------------------------------------------------------------


def base(root: Path) -> None:
    """The tree that the cases below change."""
    write(root, {"d/f": "f", "d/g": "g", "d/sub/x": "x", "e/y": "y", "top": "top"})
    (root / "link").symlink_to("top")
    (root / "away").symlink_to("/etc")
    (root / "empty").mkdir()
    os.link(root / "d/f", root / "d/hard")
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, ns=(NS, NS), follow_symlinks=False)


def replace_directory(root: Path) -> None:
    shutil.rmtree(root / "d")
    write(root, {"d/new": "n", "d/sub/z": "z"})


def file_to_directory(root: Path) -> None:
    (root / "top").unlink()
    write(root, {"top/inside": "i"})


def directory_to(replace: Callable[[Path], None]) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        shutil.rmtree(root / "d")
        replace(root / "d")

    return change


def change_link(root: Path) -> None:
    (root / "link").unlink()
    (root / "link").symlink_to("/etc")


def link_to_directory(root: Path) -> None:
    """Where the link led to is the host's, and none of our business."""
    (root / "away").unlink()
    write(root, {"away/hosts": "h"})


def rename_directory(root: Path) -> None:
    subprocess.run(["mv", root / "e", root / "moved"], check=True)


def create_and_delete(root: Path) -> None:
    write(root, {"gone": "", "later/gone": ""})
    (root / "gone").unlink()
    shutil.rmtree(root / "later")


def touch_and_restore(root: Path) -> None:
    """Like what a mount point does that was made and removed: nothing differs in the end."""
    (root / "empty/x").touch()
    (root / "empty/x").unlink()
    os.utime(root / "empty", ns=(NS, NS))
    os.chmod(root / "top", stat.S_IMODE((root / "top").stat().st_mode))
    open(root / "d/g", "r+b").close()


def same_again(root: Path) -> None:
    shutil.copytree(root / "d", root / "copy", symlinks=True)
    shutil.rmtree(root / "d")
    subprocess.run(["cp", "-a", root / "copy", root / "d"], check=True)
    shutil.rmtree(root / "copy")


def rewrite_in_disguise(root: Path) -> None:
    """Other content of the same size, the time set back."""
    (root / "top").write_text("tip")
    os.utime(root / "top", ns=(NS, NS))


def specials(root: Path) -> None:
    os.mkfifo(root / "fifo")
    os.mknod(root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.mknod(root / "disk", stat.S_IFBLK | 0o600, os.makedev(7, 300))
    (root / "dangling").symlink_to("/no/where")
    os.mknod(root / "socket", stat.S_IFSOCK | 0o666)  # whatever the length of its path, unlike bind(2)


def odd_names(root: Path) -> None:
    for name in (b"new\nline", b"latin-\xe9", "π".encode(), b"-rf"):
        os.mkdir(os.path.join(os.fsencode(root), name))


class Case(NamedTuple):
    name: str
    change: Callable[[Path], None]
    expected: list[str]


def chmod(path: str, mode: int) -> Callable[[Path], None]:
    return lambda root: os.chmod(root / path, mode)


CASES = [
    Case("nothing", lambda _: None, []),
    Case("a file is read", lambda root: (root / "d/f").read_bytes() and None, []),
    Case("a file is written", lambda root: write(root, {"d/g": "G"}), ["dir d", "file d/g"]),
    Case("a file's mode changes", chmod("top", 0o4755), ["file top"]),
    Case("a file's owner changes", lambda root: os.chown(root / "top", 5, 6), ["file top"]),
    Case("a file's time changes", lambda root: os.utime(root / "top", (5, 5)), ["file top"]),
    Case("a file's attribute changes", lambda root: os.setxattr(root / "top", "user.a", b"1"), ["file top"]),
    Case("content changes in disguise", rewrite_in_disguise, ["file top"]),
    Case("a file is added", lambda root: write(root, {"d/sub/new": ""}), ["dir d", "dir d/sub", "file d/sub/new"]),
    Case("a directory's mode changes", chmod("empty", 0o700), ["dir empty"]),
    Case("a directory's time changes", lambda root: os.utime(root / "empty", (5, 5)), ["dir empty"]),
    Case("a directory's attribute changes", lambda root: os.setxattr(root / "e", "user.a", b"1"), ["dir e"]),
    Case("the root's mode changes", chmod("", 0o711), ["dir "]),
    Case("a file is deleted", lambda root: (root / "d/g").unlink(), ["dir d", "whiteout d/g"]),
    Case("a link is deleted", lambda root: (root / "link").unlink(), ["whiteout link"]),
    Case("a directory is deleted", lambda root: shutil.rmtree(root / "d"), ["whiteout d"]),
    Case(
        "a directory is made anew",
        replace_directory,
        [
            *("dir d", "whiteout d/f", "whiteout d/g", "whiteout d/hard", "file d/new"),
            *("dir d/sub", "whiteout d/sub/x", "file d/sub/z"),
        ],
    ),
    Case("a file becomes a directory", file_to_directory, ["dir top", "file top/inside"]),
    Case("a directory becomes a file", directory_to(Path.touch), ["file d"]),
    Case("a directory becomes a link", directory_to(lambda path: path.symlink_to("e")), ["symlink d -> e"]),
    Case("a link changes", change_link, ["symlink link -> /etc"]),
    Case("a link becomes a directory", link_to_directory, ["dir away", "file away/hosts"]),
    Case("a file is renamed", lambda root: os.rename(root / "top", root / "zip"), ["whiteout top", "file zip"]),
    Case("a directory is renamed", rename_directory, ["whiteout e", "dir moved", "file moved/y"]),
    Case("something is made and deleted", create_and_delete, []),
    Case("all is as before in the end", touch_and_restore, []),
    Case("a copy takes the place", same_again, []),
    Case(
        "a new name for an old file",
        lambda root: os.link(root / "top", root / "alias"),
        ["file alias", "hardlink top -> alias"],
    ),
    Case("one of two names goes", lambda root: (root / "d/hard").unlink(), ["dir d", "whiteout d/hard"]),
    Case(
        "two names at once",
        lambda root: (write(root, {"a": "a"}), os.link(root / "a", root / "b"))[1],
        ["file a", "hardlink b -> a"],
    ),
    Case(
        "special files",
        specials,
        ["symlink dangling -> /no/where", "block disk", "fifo fifo", "char null"],
    ),
    Case(
        "odd names",
        odd_names,
        ["dir -rf", "dir latin-\udce9", "dir new\nline", "dir π"],
    ),
    Case("the longest name", lambda root: (root / ("x" * 255)).mkdir(), [f"dir {'x' * 255}"]),
]

# What back-ends can't do, with the reason.
EXCEPTIONS = {
    ("fuse-overlayfs", "the longest name"): "it takes names of up to 251 bytes",
    ("fuse-overlayfs", "a copy takes the place"): "a file that was deleted with its directory is in the way of cp's "
    "O_EXCL: https://github.com/containers/fuse-overlayfs/issues/444",
}


def skip_exceptions(snapshotter: Snapshotter, case: Case) -> None:
    if reason := EXCEPTIONS.get((snapshotter.name, case.name)):
        pytest.skip(f"{snapshotter.name}: {reason}")


def described(entry: Entry) -> str:
    return f"{entry.kind} {entry.path}" + (f" -> {entry.link}" if entry.link else "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@isolated
def test_a_change_is_listed_as_what_it_is(snapshotter: Snapshotter, case: Case) -> None:
    skip_exceptions(snapshotter, case)
    committed(snapshotter, "base", None, base)

    changes = committed(snapshotter, "changed", "base", case.change)

    assert [described(entry) for entry, _ in changes] == sorted(case.expected, key=lambda text: order(text))


def order(text: str) -> list[str]:
    """The place in a walk: parents first, names in the order of their characters."""
    return text.partition(" ")[2].partition(" -> ")[0].split("/")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@isolated
def test_every_snapshotter_gives_the_layer_that_copying_gives(
    snapshotter: Snapshotter, btrfs: Path, case: Case
) -> None:
    skip_exceptions(snapshotter, case)
    digests = set()
    for one in (snapshotter, opened("native", btrfs / uuid4().hex / "native")):
        committed(one, "base", None, base)
        changes = committed(one, "changed", "base", case.change)
        timeless = [(entry._replace(mtime=0), opener) for entry, opener in changes]
        digests.add(pack(timeless, io.BytesIO()).digest)

    assert len(digests) == 1


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@isolated
def test_a_layer_of_the_changes_makes_the_same_tree_again(snapshotter: Snapshotter, case: Case) -> None:
    skip_exceptions(snapshotter, case)
    committed(snapshotter, "base", None, base)
    changes = committed(snapshotter, "changed", "base", case.change)
    layer = io.BytesIO()
    pack(changes, layer)
    layer.seek(0)

    snapshotter.import_layer("again", "base", layer)

    assert listing(snapshotter, "again") == listing(snapshotter, "changed")


def listing(snapshotter: Snapshotter, chain: str) -> list[tuple[object, ...]]:
    """A tree's paths with all that a layer can hold of them; sockets it can't, and of the root's time says nothing."""
    rows: list[tuple[object, ...]] = []
    with snapshotter.view(chain) as root:
        for path in sorted([root, *root.rglob("*")]):
            status = path.lstat()
            if stat.S_ISSOCK(status.st_mode):
                continue
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            target = os.readlink(path) if path.is_symlink() else ""
            names = {name: os.getxattr(path, name) for name in os.listxattr(path, follow_symlinks=False)}
            time = int(status.st_mtime) if path != root else 0
            rows.append((path.relative_to(root), status.st_mode, status.st_uid, status.st_gid, time, content))
            rows.append((target, status.st_rdev, names))
    return rows


@isolated
def test_an_entry_has_all_that_the_file_has(snapshotter: Snapshotter) -> None:
    def change(root: Path) -> None:
        write(root, {"tool": "#!"})
        os.chown(root / "tool", 70000, 3_000_000)
        os.chmod(root / "tool", 0o6755)
        os.setxattr(root / "tool", "user.colour", b"\0red")
        os.setxattr(root / "tool", "security.capability", CAPABILITY)
        os.utime(root / "tool", ns=(0, 7 * NS - 1))

    ((entry, opener),) = committed(snapshotter, "one", None, change)

    attributes = {"security.capability": CAPABILITY, "user.colour": b"\0red"}
    assert entry == Entry("tool", Kind.FILE, 0o6755, 70000, 3_000_000, 2, 6, xattrs=attributes)
    assert opener
    with opener() as file:
        assert file.read() == b"#!"


@isolated
def test_a_name_that_would_be_a_whiteout_is_refused(snapshotter: Snapshotter) -> None:
    # fuse-overlayfs refuses already to make it.
    refusal = r"^d/\.wh\.f has a name by which image layers mark deleted files$|Invalid argument"
    with pytest.raises((ImageError, OSError), match=refusal):
        committed(snapshotter, "one", None, lambda root: write(root, {"d/.wh.f": ""}))


# --- trees ---------------------------------------------------------------------------------------------------------


@pytest.mark.e2e
@isolated
def test_two_hundred_workspaces_stand_on_one_another(snapshotter: Snapshotter) -> None:
    parent = None
    for number in range(200):
        committed(snapshotter, f"chain-{number}", parent, partial(write, files={f"f{number}": f"{number}"}))
        parent = f"chain-{number}"

    with snapshotter.view("chain-199") as root:
        assert contents(root) == {f"f{number}": f"{number}" for number in range(200)}
    with snapshotter.view("chain-19") as root:
        assert len(contents(root)) == 20


@isolated
def test_a_workspace_that_is_not_committed_leaves_nothing(snapshotter: Snapshotter, trees: Path) -> None:
    before = sorted(trees.rglob("*"))
    with pytest.raises(RuntimeError), snapshotter.workspace(None) as workspace:
        write(workspace.root, {"f": "f"})
        raise RuntimeError

    assert sorted(trees.rglob("*")) == before


@isolated
def test_the_empty_tree_can_be_viewed(snapshotter: Snapshotter) -> None:
    with snapshotter.view(None) as root:
        assert list(root.iterdir()) == []
        assert stat.S_IMODE(root.stat().st_mode) == 0o755


@isolated
def test_a_view_is_read_only(snapshotter: Snapshotter) -> None:
    committed(snapshotter, "one", None, lambda root: write(root, {"f": "f"}))

    with snapshotter.view("one") as root, pytest.raises(OSError, match="Read-only file system"):
        (root / "f").write_text("g")


@isolated
def test_what_is_retained_stays_with_all_it_stands_on(snapshotter: Snapshotter) -> None:
    committed(snapshotter, "one", None, lambda root: write(root, {"f": "f"}))
    committed(snapshotter, "two", "one", lambda root: write(root, {"g": "g"}))
    committed(snapshotter, "three", "two", lambda root: write(root, {"h": "h"}))
    committed(snapshotter, "sha256:other", None, lambda root: write(root, {"i": "i"}))

    snapshotter.retain(["one", "never-was"])

    assert [chain in snapshotter for chain in ("one", "two", "three", "sha256:other")] == [True, False, False, False]
    with snapshotter.view("one") as root:
        assert contents(root) == {"f": "f"}


@isolated
def test_no_device_of_a_tree_can_be_opened(snapshotter: Snapshotter) -> None:
    with snapshotter.workspace(None) as workspace:
        os.mknod(workspace.root / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        with pytest.raises(PermissionError):
            (workspace.root / "null").write_bytes(b"x")


@isolated
def test_a_chain_cannot_lead_out_of_the_store(snapshotter: Snapshotter) -> None:
    for chain in ("../evil", "", ".new", "a/b", "/etc"):
        with pytest.raises(ValueError, match="can't name a chain"):
            snapshotter.retain([chain])


# --- layers --------------------------------------------------------------------------------------------------------


def tar_of(*entries: Entry) -> io.BytesIO:
    stream = io.BytesIO()
    pack([(entry, io.BytesIO if entry.kind is Kind.FILE else None) for entry in entries], stream)
    stream.seek(0)
    return stream


@isolated
def test_a_layer_deletes_and_hides_what_its_parent_has(snapshotter: Snapshotter) -> None:
    committed(snapshotter, "base", None, base)
    layer = tar_of(Entry("d", Kind.OPAQUE), Entry("d/n", Kind.FILE), Entry("e/y", Kind.WHITEOUT))

    snapshotter.import_layer("layer", "base", layer)

    with snapshotter.view("layer") as root:
        assert contents(root) == {"d/n": "", "link": "top", "top": "top"}
    with snapshotter.view("base") as root:
        assert "e/y" in contents(root)


@isolated
def test_a_directory_that_a_layer_only_implies_stays_as_it_was(snapshotter: Snapshotter) -> None:
    committed(snapshotter, "base", None, lambda root: (root / "private").mkdir(0o700))

    snapshotter.import_layer("layer", "base", tar_of(Entry("private/key", Kind.FILE)))

    with snapshotter.view("layer") as root:
        assert stat.S_IMODE((root / "private").stat().st_mode) == 0o700


@isolated
def test_a_layer_leaves_its_parents_files_alone(snapshotter: Snapshotter) -> None:
    committed(snapshotter, "base", None, base)
    before = listing(snapshotter, "base")
    file = Entry("top", Kind.FILE, 0o600, 9, 9, mtime=99)

    snapshotter.import_layer("layer", "base", tar_of(file, Entry("d/g", Kind.HARDLINK, link="top")))
    committed(snapshotter, "child", "layer", lambda root: write(root, {"d/f": "changed"}))

    assert listing(snapshotter, "base") == before


@isolated
def test_a_chain_that_is_there_is_not_imported_again(snapshotter: Snapshotter) -> None:
    first = snapshotter.import_layer("layer", None, tar_of(Entry("f", Kind.FILE)))
    stream = tar_of(Entry("g", Kind.FILE))

    assert snapshotter.import_layer("layer", None, stream) is None
    assert (stream.tell(), [entry.path for entry in first.entries] if first else []) == (0, ["f"])


@isolated
def test_a_broken_layer_leaves_no_tree(snapshotter: Snapshotter) -> None:
    whole = tar_of(Entry("f", Kind.FILE), Entry("g", Kind.FILE)).getvalue()

    with pytest.raises(ImageError):
        snapshotter.import_layer("layer", None, io.BytesIO(whole[:700]))

    assert "layer" not in snapshotter


# --- at the same time ----------------------------------------------------------------------------------------------


@isolated
def test_changes_are_listed_while_others_build_on_top(snapshotter: Snapshotter) -> None:
    committed(snapshotter, "base", None, base)
    with snapshotter.workspace("base") as workspace:
        replace_directory(workspace.root)
        sealed = workspace.commit("one")
    with snapshotter.workspace("one") as workspace:
        shutil.rmtree(workspace.root / "d")
        paths = [entry.path for entry, _ in in_thread(lambda: list(sealed.changes()))]

    assert paths == ["d", "d/f", "d/g", "d/hard", "d/new", "d/sub", "d/sub/x", "d/sub/z"]


@isolated
def test_threads_build_on_one_parent_without_seeing_each_other(snapshotter: Snapshotter) -> None:
    committed(snapshotter, "base", None, base)
    meeting = threading.Barrier(4, timeout=30)

    def build(number: int) -> None:
        with snapshotter.workspace("base") as workspace:
            write(workspace.root, {f"new{number}": "n"})
            meeting.wait()
            assert sorted(path.name for path in workspace.root.glob("new*")) == [f"new{number}"]
            workspace.commit(f"child-{number}")

    threads = [threading.Thread(target=build, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(f"child-{number}" in snapshotter for number in range(4))


DRIVER = """
import io, sys
from pathlib import Path
from minibuild.layers.entry import Entry, Kind
from minibuild.snapshots.table import TABLE
name, directory, layer, action = sys.argv[1:]
snapshotter = TABLE[name].open(Path(directory))
if action == "import":
    sys.stdin.readline()
    snapshotter.import_layer("layer", None, open(layer, "rb"))
else:
    with snapshotter.workspace(None) as workspace:
        (workspace.root / "half").write_text("x" * 100000)
        print("ready", flush=True)
        sys.stdin.readline()
"""


def driver(trees: Path, tmp_path: Path, action: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DRIVER, trees.name, str(trees), str(tmp_path / "tar"), action]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@isolated
def test_processes_may_import_one_layer_at_the_same_time(snapshotter: Snapshotter, trees: Path, tmp_path: Path) -> None:
    entries = [Entry(f"f{number}", Kind.FILE) for number in range(300)]
    (tmp_path / "tar").write_bytes(tar_of(*entries).getvalue())
    drivers = [driver(trees, tmp_path, "import") for _ in range(3)]

    statuses = [(process.communicate("go\n")[0], process.returncode) for process in drivers]

    assert statuses == [("", 0)] * 3
    with snapshotter.view("layer") as root:
        assert len(contents(root)) == 300


@pytest.fixture
def killed(snapshotter: Snapshotter, trees: Path, tmp_path: Path) -> Path:  # noqa: ARG001
    """A directory in which a process was killed in the middle of a workspace."""
    process = driver(trees, tmp_path, "workspace")
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return trees


def in_progress(trees: Path) -> list[str]:
    return [name for name in os.listdir(trees / ".new") if name != ".lock"]


@isolated
def test_a_killed_build_leaves_no_mount_and_its_tree_is_swept(snapshotter: Snapshotter, killed: Path) -> None:
    assert len(in_progress(killed)) == 1

    TABLE[snapshotter.name].open(killed)

    assert in_progress(killed) == []
    assert str(killed) not in Path("/proc/self/mountinfo").read_text()


@isolated
def test_a_sweep_spares_what_is_being_made(snapshotter: Snapshotter, trees: Path) -> None:
    with snapshotter.workspace(None) as workspace:
        write(workspace.root, {"f": "f"})
        TABLE[snapshotter.name].open(trees)
        workspace.commit("one")

    with snapshotter.view("one") as root:
        assert contents(root) == {"f": "f"}
