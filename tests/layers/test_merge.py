"""Several layers as one do to whatever is below what they do together."""

from __future__ import annotations

import io
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.index import Index
from minibuild.layers.merge import merge
from minibuild.layers.pack import pack
from minibuild.layers.tree import Tree
from minibuild.oci import Digest, Layer
from tests.layers.test_tree import LAYERS, consistent, directory, file, hard_link, opaque, symlink, whiteout


class Stack:
    """Layers that are really packed, oldest first."""

    def __init__(self, layers: Sequence[Sequence[Change]]) -> None:
        self.tars: dict[Digest, bytes] = {}
        self.layers = [self._packed(changes) for changes in layers]

    def _packed(self, changes: Sequence[Change]) -> tuple[Layer, Index]:
        sink = io.BytesIO()
        packed = pack(changes, sink)
        self.tars[packed.digest] = sink.getvalue()
        return Layer.of_tar(packed.digest, packed.size), packed.index

    def tree(self, layers: Sequence[tuple[Layer, Index]]) -> Tree:
        return Tree(layers, lambda layer: io.BytesIO(self.tars[layer.diff_id]))

    def merged(self, base: int) -> list[Change]:
        """What the layers above the first ``base`` make as one."""
        upper, lower = self.layers[base:], self.layers[:base]
        return list(merge(self.tree(upper), [index for _, index in upper], self.tree(lower)))

    def shown(self) -> list[tuple[Entry, bytes]]:
        """All that the layers show, with contents; not where in a tar it stands."""
        tree = self.tree(self.layers)
        root = tree.find("")
        assert root is not None
        return [(entry._replace(offset=-1), self._content(tree, entry)) for entry in [root, *tree.walk("")]]

    def _content(self, tree: Tree, entry: Entry) -> bytes:
        if entry.kind is not Kind.FILE:
            return b""
        with tree.opener(entry)() as content:
            return content.read()


def told(changes: Sequence[Change]) -> list[tuple[str, str]]:
    return [(str(entry.kind), entry.path) for entry, _ in changes]


def test_what_was_made_and_deleted_leaves_no_trace() -> None:
    stack = Stack([[file("old")], [directory("d"), file("d/f")], [whiteout("d"), whiteout("old"), file("new")]])
    assert told(stack.merged(1)) == [("whiteout", "old"), ("file", "new")]
    assert told(stack.merged(0)) == [("file", "new")]


def test_a_directory_that_replaces_another_hides_what_that_held() -> None:
    stack = Stack([[directory("d"), file("d/old")], [whiteout("d")], [directory("d", 0o700), file("d/new")]])
    assert told(stack.merged(1)) == [("dir", "d"), ("opaque", "d"), ("file", "d/new")]


def test_a_directory_that_nothing_is_said_of_keeps_its_mode() -> None:
    stack = Stack([[directory("d", 0o700), file("d/old")], [file("d/new")], [whiteout("d/old")]])
    assert told(stack.merged(1)) == [("whiteout", "d/old"), ("file", "d/new")]


def test_a_file_between_two_directories_parts_them() -> None:
    stack = Stack([[directory("d", 0o700), file("d/old")], [file("d")], [whiteout("d")], [file("d/new")]])
    assert told(stack.merged(1)) == [("dir", "d"), ("opaque", "d"), ("file", "d/new")]


def test_the_names_of_a_file_stay_names_of_one_file_while_they_do() -> None:
    links = [file("a", b"1"), hard_link("b", "a"), hard_link("c", "a")]
    stack = Stack([links, [whiteout("a"), file("c", b"2")], [file("d", b"3"), hard_link("e", "d")]])
    entries = {entry.path: (str(entry.kind), entry.link) for entry, _ in stack.merged(0)}
    assert entries == {"b": ("file", ""), "c": ("file", ""), "d": ("file", ""), "e": ("hardlink", "d")}
    assert Stack([stack.merged(0)]).shown() == stack.shown()


def test_an_opaque_directory_without_an_entry_keeps_the_one_below() -> None:
    stack = Stack([[directory("d", 0o711), file("d/old")], [opaque("d"), file("d/new")], [symlink("l", "d")]])
    assert told(stack.merged(1)) == [("opaque", "d"), ("file", "d/new"), ("symlink", "l")]


def test_the_root_is_said_if_a_layer_says_it() -> None:
    stack = Stack([[file("a")], [directory("", 0o700)], [file("b")]])
    assert told(stack.merged(1)) == [("dir", ""), ("file", "b")]


@given(LAYERS, st.integers(0, 4), st.integers(0, 2))
def test_layers_merged_show_what_they_showed_before(
    layers: list[list[tuple[Kind, str, int]]], base: int, links: int
) -> None:
    stack = Stack([_linked(_all(consistent(changes)), links) for changes in layers])
    merged = Stack([*(_linked(_all(consistent(changes)), links) for changes in layers[:base]), stack.merged(base)])
    assert merged.shown() == stack.shown()


def _linked(changes: list[Change], count: int) -> list[Change]:
    """The same, some of the files being further names of the first one."""
    first, *others = [entry.path for entry, _ in changes if entry.kind is Kind.FILE] or [""]
    names = [(Kind.FILE, name) for name in others[:count]]
    return [
        hard_link(change[0].path, first) if (change[0].kind, change[0].path) in names else change for change in changes
    ]


def _all(index: Index) -> list[Change]:
    """Its entries as they can be packed: deletions before what takes the place, directories before what is in them."""

    def order(entry: Entry) -> tuple[object, ...]:
        return entry.kind is not Kind.WHITEOUT, entry.path.split("/"), entry.kind is Kind.OPAQUE

    return [_change(entry) for entry in sorted(index.entries, key=order)]


def _change(entry: Entry) -> Change:
    """The entry; a file's content is of its own path and mode."""
    if entry.kind is not Kind.FILE:
        return entry, None
    content = f"{entry.path} {entry.mode}".encode()
    return entry._replace(size=len(content), digest="", offset=-1), lambda: io.BytesIO(content)
