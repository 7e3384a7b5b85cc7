"""What the kernel's overlay shows of layers unpacked in its style is what applying them one by one gives."""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings

from minibuild.layers.entry import Kind
from minibuild.layers.index import Index
from minibuild.layers.tree import Tree
from minibuild.layers.unpack import WhiteoutStyle, unpack
from minibuild.oci import Digest, Layer
from tests.layers.tars import listing, needs_root, written
from tests.layers.test_tree import LAYERS, consistent

KINDS = {0o040000: Kind.DIRECTORY, 0o100000: Kind.FILE, 0o120000: Kind.SYMLINK}


@contextmanager
def mounted(lowers: Sequence[Path], place: Path) -> Iterator[Path]:
    """Directories, newest first, as one read-only overlay."""
    place.mkdir()
    stack = ":".join(map(str, lowers))
    subprocess.run(["mount", "-t", "overlay", "-o", f"ro,lowerdir={stack}", "overlay", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


Seen = tuple[str, Kind, int]


def seen(root: Path) -> list[Seen]:
    """Path, kind and mode of all that stands in a directory."""
    rows = {path: (KINDS[int(str(row[0]))], int(str(row[1]))) for path, row in listing(root).items() if path != "."}
    return sorted(_row(path, kind, mode) for path, (kind, mode) in rows.items())


def answered(tree: Tree) -> list[Seen]:
    """The same of a tree."""
    return sorted(_row(entry.path, entry.kind, entry.mode) for entry in tree.walk(""))


def _row(path: str, kind: Kind, mode: int) -> Seen:
    return path, kind, 0 if kind is Kind.SYMLINK else mode  # a symlink has no mode of its own


@pytest.mark.e2e
@needs_root
@settings(max_examples=30, deadline=None)
@given(LAYERS)
def test_overlay_shows_what_applying_layers_gives_and_what_a_tree_answers(layers: list[object]) -> None:
    indices: list[Index] = [consistent(changes) for changes in layers]  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as work:
        applied, bottom = Path(work, "applied"), Path(work, "bottom")
        applied.mkdir()
        bottom.mkdir()
        lowers = [bottom]
        for number, index in enumerate(indices):
            tar = written(*index.entries)
            unpack(io.BytesIO(tar), applied)
            lower = Path(work, str(number))
            lower.mkdir()
            unpack(io.BytesIO(tar), lower, WhiteoutStyle.OVERLAY_TRUSTED, below=tuple(lowers))
            lowers.insert(0, lower)
        tree = Tree([(Layer.of_tar(Digest.of(b""), 0), index) for index in indices], lambda _: io.BytesIO())
        assert seen(applied) == answered(tree)
        if len(lowers) > 1:
            with mounted(lowers, Path(work, "mounted")) as place:
                assert seen(place) == answered(tree)
