"""A tree answers what a mounted union of its layers would."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minibuild.errors import ImageError
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.index import Index, IndexBuilder
from minibuild.layers.pack import pack
from minibuild.layers.tree import Tree
from minibuild.oci import Digest, Layer


def directory(path: str, mode: int = 0o755) -> Change:
    return Entry(path, Kind.DIRECTORY, mode), None


def file(path: str, content: bytes = b"") -> Change:
    return Entry(path, Kind.FILE, 0o644, size=len(content)), lambda: io.BytesIO(content)


def symlink(path: str, target: str) -> Change:
    return Entry(path, Kind.SYMLINK, 0o777, link=target), None


def hard_link(path: str, target: str) -> Change:
    return Entry(path, Kind.HARDLINK, link=target), None


def whiteout(path: str) -> Change:
    return Entry(path, Kind.WHITEOUT), None


def opaque(path: str) -> Change:
    return Entry(path, Kind.OPAQUE), None


def tree_of(*layers: list[Change]) -> Tree:
    """A tree of layers that are really packed, oldest first."""
    tars: dict[Digest, bytes] = {}
    stack: list[tuple[Layer, Index]] = []
    for changes in layers:
        sink = io.BytesIO()
        packed = pack(changes, sink)
        layer = Layer.of_tar(packed.digest, packed.size)
        tars[layer.diff_id] = sink.getvalue()
        stack.append((layer, packed.index))
    return Tree(stack, lambda layer: io.BytesIO(tars[layer.diff_id]))


def paths(tree: Tree, below: str = "") -> list[str]:
    return [entry.path for entry in tree.walk(below)]


def test_a_whiteout_deletes_a_file_of_a_layer_below() -> None:
    tree = tree_of([directory("d"), file("d/f"), file("d/g")], [whiteout("d/f")])
    assert tree.find("d/f") is None
    assert paths(tree) == ["d", "d/g"]


def test_a_whiteout_deletes_a_directory_with_all_in_it() -> None:
    tree = tree_of([directory("d"), file("d/f")], [whiteout("d")])
    assert tree.find("d/f") is None
    assert paths(tree) == []


def test_a_whiteout_does_not_touch_what_its_own_layer_has() -> None:
    tree = tree_of([file("d/old")], [whiteout("d"), file("d/new")])
    assert paths(tree) == ["d", "d/new"]


def test_an_opaque_directory_hides_what_stood_in_it_but_not_itself() -> None:
    tree = tree_of([directory("d", 0o700), file("d/old")], [opaque("d"), file("d/new")])
    assert paths(tree) == ["d", "d/new"]
    assert tree.find("d") == Entry("d", Kind.DIRECTORY, 0o700)
    assert tree.children("")[0].mode == 0o700


def test_a_file_that_replaces_a_directory_hides_what_stood_in_it() -> None:
    tree = tree_of([file("d/f")], [file("d")])
    assert tree.find("d/f") is None
    assert paths(tree) == ["d"]


def test_a_directory_that_replaces_a_file_starts_empty() -> None:
    tree = tree_of([file("d/lost")], [file("d")], [file("d/f")])
    assert paths(tree) == ["d", "d/f"]
    assert tree.find("d") == Entry("d", Kind.DIRECTORY, 0o755)


def test_a_directory_that_no_entry_describes_keeps_what_the_layers_below_say() -> None:
    tree = tree_of([directory("tmp", 0o1777)], [file("tmp/f")])
    assert [entry.mode for entry in tree.walk("")] == [0o1777, 0o644]


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/bin/sh", "usr/bin/dash"),
        ("bin", "usr/bin"),
        ("absolute/sh", "usr/bin/dash"),
        ("outside/etc", "etc"),
        ("../../bin/../bin", "usr/bin"),
        ("bin/new/deep", "usr/bin/new/deep"),
        ("dangling", "nowhere/at/all"),
        ("dangling/x", "nowhere/at/all/x"),
        ("/", ""),
        ("bin/.", "usr/bin"),
    ],
)
def test_symlinks_are_resolved_inside_the_root(path: str, real: str) -> None:
    tree = tree_of(
        [file("usr/bin/dash"), symlink("usr/bin/sh", "dash"), symlink("bin", "usr/bin"), directory("etc")],
        [symlink("absolute", "/bin"), symlink("outside", "../../.."), symlink("dangling", "/nowhere/at/all")],
    )
    assert tree.resolve(path) == real


def test_the_last_symlink_can_be_looked_at_instead_of_followed() -> None:
    tree = tree_of([directory("real"), symlink("real/l", "target"), symlink("d", "real")])
    assert tree.find("d/l", follow=False) == Entry("real/l", Kind.SYMLINK, 0o777, link="target")
    assert tree.find("d/l") is None


@pytest.mark.parametrize("targets", [("a", "b"), ("a/x", "b/x")])
def test_symlinks_in_a_circle_are_an_error(targets: tuple[str, str]) -> None:
    tree = tree_of([symlink("b", targets[0]), symlink("a", targets[1])])
    with pytest.raises(ImageError, match="more than 40 symbolic links"):
        tree.find("a")


def test_a_hard_link_is_found_as_the_file_it_is() -> None:
    tree = tree_of([(Entry("f", Kind.FILE, 0o4755, 7, 8, 2), lambda: io.BytesIO(b"hi")), hard_link("l", "f")])
    found, target = tree.find("l"), tree.find("f")
    assert found and target
    assert found == target._replace(path="l")
    assert tree.opener(found)().read() == b"hi"


def test_a_hard_link_keeps_its_content_when_a_later_layer_replaces_its_other_name() -> None:
    tree = tree_of([file("a", b"one"), hard_link("b", "a")], [file("a", b"two")])
    assert (tree.read("a", 9), tree.read("b", 9)) == (b"two", b"one")


def test_walking_names_the_further_names_of_a_file_as_links_to_the_first() -> None:
    tree = tree_of([file("z", b"x"), hard_link("a", "z"), hard_link("m", "z")])
    assert [(entry.path, entry.kind, entry.link) for entry in tree.walk("")] == [
        ("a", Kind.FILE, ""),
        ("m", Kind.HARDLINK, "a"),
        ("z", Kind.HARDLINK, "a"),
    ]


def test_a_file_is_read_out_of_its_layer_through_symlinks() -> None:
    tree = tree_of([file("etc/real", b"root:x"), symlink("etc/passwd", "/etc/real")], [file("etc/other", b"1")])
    assert tree.read("/etc/passwd", 100) == b"root:x"
    assert tree.read("etc", 100) is None
    assert tree.read("etc/none", 100) is None


def test_a_file_over_the_limit_is_refused() -> None:
    with pytest.raises(ImageError, match="'f' in the image has 5 bytes, more than the 4"):
        tree_of([file("f", b"12345")]).read("f", 4)


def test_the_root_is_a_directory_though_no_layer_says_so() -> None:
    assert tree_of().find("/") == Entry("", Kind.DIRECTORY, 0o755)
    assert tree_of([directory("", 0o711)]).find("/") == Entry("", Kind.DIRECTORY, 0o711)


def test_a_tree_of_two_thousand_directories_one_in_the_other_is_walked() -> None:
    deep = "/".join("d" * 2000)
    assert len(paths(tree_of([file(f"{deep}/f")]))) == 2001


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
CHANGES = st.tuples(
    st.sampled_from([Kind.FILE, Kind.DIRECTORY, Kind.WHITEOUT, Kind.OPAQUE, Kind.SYMLINK]), PATHS, st.integers(0, 7)
)
LAYERS = st.lists(st.lists(CHANGES, max_size=8), max_size=4)


def consistent(changes: list[tuple[Kind, str, int]]) -> Index:
    """The index of those changes that fit together."""
    table = IndexBuilder()
    for kind, path, mode in sorted(changes, key=lambda change: change[1]):
        try:
            table.add(Entry(path, kind, mode, link="target" if kind is Kind.SYMLINK else ""))
        except ImageError:
            continue
    return table.complete()


def merged(layers: list[Index]) -> dict[str, Entry]:
    """The plain definition: for each layer in turn delete, then put its entries in place."""
    tree: dict[str, Entry] = {}

    def delete_below(path: str) -> None:
        for other in [other for other in tree if other.startswith(f"{path}/")]:
            del tree[other]

    for index in layers:
        for entry in index.entries:
            if entry.kind in (Kind.WHITEOUT, Kind.OPAQUE):
                delete_below(entry.path)
            if entry.kind is Kind.WHITEOUT:
                tree.pop(entry.path, None)
        for path in sorted(index.directories - {""}):
            if path not in tree or tree[path].kind is not Kind.DIRECTORY:
                tree[path] = Entry(path, Kind.DIRECTORY, 0o755)
        for entry in index.entries:
            if entry.kind in (Kind.WHITEOUT, Kind.OPAQUE):
                continue
            if entry.kind is not Kind.DIRECTORY:
                delete_below(entry.path)
            tree[entry.path] = entry
    return tree


def in_order(tree: dict[str, Entry]) -> Iterator[Entry]:
    return (tree[path] for path in sorted(tree, key=lambda path: path.split("/")))


@given(LAYERS)
def test_a_tree_is_what_applying_its_layers_one_after_the_other_gives(
    layers: list[list[tuple[Kind, str, int]]],
) -> None:
    indices = [consistent(changes) for changes in layers]
    layer = Layer.of_tar(Digest.of(b""), 0)
    tree = Tree([(layer, index) for index in indices], lambda _: io.BytesIO())
    expected = merged(indices)
    assert list(tree.walk("")) == list(in_order(expected))
    for path in ["a", "b/c", "a/b/c", "c/c/a"]:
        real = tree.resolve(path)
        assert tree.find(real, follow=False) == expected.get(real)
        assert tree.children(path) == [entry for entry in in_order(expected) if entry.parent == real]
