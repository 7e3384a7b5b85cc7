"""Work in progress is thrown away, whoever is left to do it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from minibuild.sandbox.scratch import remove_tree, scratch_directory, sweep


def test_a_scratch_directory_goes_with_its_block(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), scratch_directory(tmp_path) as path:
        (path / "d").mkdir()
        (path / "d/f").write_text("f")
        raise RuntimeError

    assert [item.name for item in tmp_path.iterdir()] == [".lock"]


def test_a_scratch_directory_may_be_moved_away(tmp_path: Path) -> None:
    with scratch_directory(tmp_path / "new") as path:
        path.rename(tmp_path / "kept")

    assert (tmp_path / "kept").is_dir()


def test_a_sweep_takes_what_the_dead_left_and_nothing_else(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from minibuild.sandbox.scratch import scratch_directory\n"
        "with scratch_directory(pathlib.Path(sys.argv[1])) as path:\n"
        "    print(path, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        dead = Path(process.stdout.readline().strip())
        process.send_signal(signal.SIGKILL)
    with scratch_directory(tmp_path) as alive:
        sweep(tmp_path)
        assert (alive.is_dir(), dead.exists()) == (True, False)


def test_a_tree_nested_beyond_any_path_length_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    descriptor = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("deep", dir_fd=descriptor)
        inner = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)

    remove_tree(top)

    assert not top.exists()


def test_removing_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/f").write_text("f")
    (tmp_path / "top").mkdir()
    (tmp_path / "top/link").symlink_to(tmp_path / "outside")

    remove_tree(tmp_path / "top")

    assert (tmp_path / "outside/f").exists()


def test_files_may_vanish_while_their_directory_is_removed(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    names = [top / f"{number}" for number in range(3000)]
    for name in names:
        name.touch()
    helper = threading.Thread(target=lambda: [name.unlink(missing_ok=True) for name in reversed(names)])

    helper.start()
    remove_tree(top)
    helper.join()

    assert not top.exists()
