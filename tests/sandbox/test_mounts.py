"""What a thread mounts, it alone sees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minibuild.sandbox import mounts, syscalls
from minibuild.sandbox.mounts import Overlay, private_mounts
from tests.isolation import in_thread, isolated
from tests.machine import require


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    """Two lower directories ``a`` and ``b``, and what a mount needs besides."""
    require(root=True)
    for name in ("a", "b", "upper", "work", "tree"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/f").write_text("of a")
    (tmp_path / "b/f").write_text("of b")
    (tmp_path / "b/g").write_text("of b")
    return tmp_path


def overlay(layers: Path) -> Overlay:
    return Overlay((layers / "a", layers / "b"), layers / "upper", layers / "work")


@isolated
def test_only_the_mounting_thread_and_what_it_starts_see_a_mount(layers: Path) -> None:
    def mount_and_look() -> list[str]:
        private_mounts()
        overlay(layers).mount(layers / "tree")
        return sorted(os.listdir(layers / "tree"))

    assert in_thread(mount_and_look) == ["f", "g"]
    assert os.listdir(layers / "tree") == []


@isolated
def test_a_thread_started_under_a_mount_does_not_keep_it_alive(layers: Path) -> None:
    def look() -> list[str]:
        private_mounts()
        return os.listdir(layers / "tree")

    private_mounts()
    overlay(layers).mount(layers / "tree")

    assert in_thread(look) == []
    assert sorted(os.listdir(layers / "tree")) == ["f", "g"]


@pytest.mark.parametrize("way", [Overlay.mount, Overlay.mount_classic])
@isolated
def test_the_topmost_layer_wins_and_changes_go_to_the_upper(layers: Path, way: object) -> None:
    assert callable(way)
    private_mounts()
    way(overlay(layers), layers / "tree")
    (layers / "tree/g").write_text("changed")

    assert (layers / "tree/f").read_text() == "of a"
    assert (layers / "upper/g").read_text() == "changed"


@isolated
def test_layers_with_odd_and_long_names_can_be_mounted(tmp_path: Path) -> None:
    require(root=True)
    base = tmp_path / ("a:b,c\\d é" + "x" * 200) / ("y" * 200)
    for name in ("one", "two", "tree"):
        (base / name).mkdir(parents=True)
    (base / "one/f").write_text("f")
    private_mounts()
    for mount in (Overlay.mount, Overlay.mount_classic):
        mount(Overlay((base / "one", base / "two")), base / "tree")
        assert (base / "tree/f").read_text() == "f"
        mounts.unmount(base / "tree")


@isolated
def test_more_layers_than_the_kernel_takes_are_refused(layers: Path) -> None:
    with pytest.raises(OSError, match="501 layers are more than overlay takes"):
        Overlay([layers / "a"] * 501).mount(layers / "tree")


@isolated
def test_options_that_the_kernel_would_cut_are_refused(layers: Path) -> None:
    with pytest.raises(OSError, match="longer than a page"):
        syscalls.mount("x", layers / "tree", "overlay", 0, "lowerdir=" + "x" * 4090)


@isolated
def test_a_bind_can_be_read_only_with_all_below_it(layers: Path) -> None:
    private_mounts()
    overlay(layers).mount(layers / "a")
    (layers / "bound").mkdir()
    mounts.bind(layers, layers / "bound", syscalls.MOUNT_ATTR_RDONLY)

    with pytest.raises(OSError, match="Read-only"):
        (layers / "bound/a/new").touch()
    (layers / "a/new").touch()
