"""What proot doesn't do by itself: statuses that are the program's, mounts that stay as they were, an end of all."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from minibuild.errors import UnavailableError
from minibuild.runtimes.base import Mount, Tmpfs
from minibuild.runtimes.proot import ProotRuntime
from tests.contracts.test_runtime import run, said, shell, tree
from tests.machine import require

pytestmark = pytest.mark.e2e
__all__ = ["tree"]


@pytest.fixture
def proot() -> ProotRuntime:
    require("proot", "busybox", root=True)
    return ProotRuntime()


def test_what_ends_later_has_no_say_in_the_status(proot: ProotRuntime, tree: Path) -> None:
    began = time.monotonic()

    status, _ = shell(proot, tree, "(sleep 1; exit 3) & (sleep 30; exit 4) & exit 5")

    assert (status, time.monotonic() - began < 20) == (5, True)


def test_a_program_of_an_image_without_a_shell_has_its_own_status(proot: ProotRuntime, tree: Path) -> None:
    (tree / "bin/sh").unlink()

    assert run(proot, tree, "busybox", "expr", "0")[0] == 1


def test_what_is_mounted_read_only_stays_as_it_is_whatever_is_written(
    proot: ProotRuntime, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "directory/file").write_text("before")
    mounts = (Mount(tmp_path / "directory", "/ro"), Mount(tmp_path / "directory/file", "/file"))

    assert said(proot, tree, "echo after | tee /ro/file /ro/new /file", mounts=mounts) == "after"

    assert {path.name: path.read_text() for path in (tmp_path / "directory").iterdir()} == {"file": "before"}


def test_a_program_takes_itself_for_the_user_that_it_should_be(proot: ProotRuntime, tree: Path) -> None:
    script = "id -u; id -g; touch /tmp/mine; stat -c %u:%g /tmp/mine"

    assert said(proot, tree, script, uid=1000, gid=1001).split() == ["1000", "1001", "1000:1001"]


def test_a_path_that_its_options_cannot_say_is_refused(proot: ProotRuntime, tree: Path, tmp_path: Path) -> None:
    (tmp_path / "a:b").touch()

    with pytest.raises(UnavailableError, match=r"^proot can't bind .*/a:b: it has a colon in its name$"):
        run(proot, tree, "true", mounts=(Mount(tmp_path / "a:b", "/file"),))


@pytest.mark.parametrize(
    ("options", "lack"),
    [
        ({"network": "none"}, "no network of its own"),
        ({"shm_size": 1 << 20}, "no /dev/shm of another size"),
        ({"mounts": (Tmpfs("/tmp", 1 << 20),)}, "no tmpfs of a size"),
        ({"privileged": True}, "no other capabilities"),
    ],
    ids=["network", "shm", "tmpfs", "privileged"],
)
def test_what_takes_privileges_is_refused(
    proot: ProotRuntime, tree: Path, options: dict[str, object], lack: str
) -> None:
    with pytest.raises(UnavailableError, match=f"^proot can give a RUN {lack}$"):
        run(proot, tree, "true", **options)
