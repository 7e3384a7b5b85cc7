"""Making room in a store that has built, and building again in what is left."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.accounts import open_directory
from tests.command import Minibuild

pytestmark = pytest.mark.e2e

DOCKERFILE = """\
FROM busybox
RUN --mount=type=cache,target=/cache dd if=/dev/zero of=/cache/big bs=1M count=3 && echo one >/one
RUN echo two >/two
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory that all users can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture
def built(builder: Minibuild, tmp_path: Path) -> Minibuild:
    """A builder that has built ``app`` in ``tmp_path``."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    builder.succeed("build", "-t", "app", tmp_path)
    return builder


WAIT = "cat /gate"


def long_after(builder: Minibuild) -> Minibuild:
    """The same store, in which everything was of use an hour earlier than it was."""
    with sqlite3.connect(builder.root / "cache.sqlite") as records:
        records.execute("UPDATE records SET used = used - 3600")
    for file in [*(builder.root / "blobs/sha256").iterdir(), *(builder.root / "mounts").glob("*")]:
        os.utime(file, (file.stat().st_mtime - 3600,) * 2)
    return builder


def held_by(build: subprocess.Popen[str], gate: Path) -> int:
    """A FIFO that a RUN reads, opened once that does; it goes on when we close it."""
    while build.poll() is None:
        with suppress(OSError):
            return os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
        with suppress(subprocess.TimeoutExpired):
            build.wait(0.05)
    raise AssertionError(build.communicate()[0])


def usage(builder: Minibuild) -> dict[str, tuple[int, int]]:
    rows = [json.loads(line) for line in builder.succeed("du", "--format", "json").splitlines()]
    return {row["Type"]: (row["Count"], row["Size"]) for row in rows}


def test_all_that_can_be_made_again_goes_and_the_image_stays(built: Minibuild, tmp_path: Path) -> None:
    before = usage(built)
    assert (before["cached steps"][0], before["cache mounts"][1] >= 3 << 20) == (2, True)
    assert "freed" in built.succeed("prune")
    after = usage(built)
    assert {kind: after[kind][0] for kind in ("cached steps", "cache mounts", "downloads")} == dict.fromkeys(
        ("cached steps", "cache mounts", "downloads"), 0
    )
    assert built.succeed("run", "--rm", "app", "cat", "/one", "/two") == "one\ntwo\n"
    built.succeed("build", "-t", "app", tmp_path)


def test_trees_stay_as_long_as_an_image_may_want_them(built: Minibuild) -> None:
    trees = usage(built)["file trees"][0]
    built.succeed("prune")
    assert 0 < usage(built)["file trees"][0] < trees
    built.succeed("rmi", "app", "busybox")
    built.succeed("prune")
    assert usage(built)["file trees"] == (0, 0)


def test_a_store_that_is_small_enough_stays_as_it_is(built: Minibuild, tmp_path: Path) -> None:
    assert built.succeed("prune", "--keep-storage", "10GB").startswith("0 thrown away")
    assert built.succeed("prune", "--until", "24h").startswith("0 thrown away")
    assert "2 of 2 cached" in built("build", tmp_path).stderr


SMALL = {"MINIBUILD_KEEP_STORAGE": "1kB"}
OTHER = "FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=2\n"


def test_a_build_throws_away_what_it_had_no_use_for_itself(anybody: Minibuild, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(OTHER)
    anybody.succeed("build", tmp_path)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    anybody.succeed("build", "-t", "app", tmp_path)
    done = long_after(anybody).with_variables(**SMALL)("build", tmp_path)
    assert "and MINIBUILD_KEEP_STORAGE is 1kB: 3 thrown away, " in done.stderr
    assert "2 of 2 cached" in anybody("build", tmp_path).stderr
    assert anybody.succeed("run", "--rm", "app", "cat", "/one", "/two") == "one\ntwo\n"


def test_nothing_goes_while_another_build_is_under_way(builder: Minibuild, tmp_path: Path) -> None:
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/Dockerfile").write_text(f"FROM busybox\nRUN echo kept >/one\nRUN {WAIT}\nRUN cat /one\n")
    (tmp_path / "Dockerfile").write_text(OTHER)
    os.mkfifo(tmp_path / "gate")
    slow = builder.start("build", "-t", "slow", "-v", f"{tmp_path}/gate:/gate", tmp_path / "slow")
    with open(held_by(slow, tmp_path / "gate"), "w"):
        quick = builder.with_variables(**SMALL)("build", tmp_path)
        pruned = builder("prune")
    assert "MINIBUILD_KEEP_STORAGE is 1kB: a build is under way in this store" in quick.stderr
    assert (pruned.returncode, "a build is under way" in pruned.stderr) == (6, True)
    assert slow.communicate(timeout=120) and slow.returncode == 0
    assert builder.succeed("run", "--rm", "slow", "cat", "/one") == "kept\n"


def test_builds_and_prunes_at_once_do_each_other_no_harm(builder: Minibuild, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nARG N\nRUN echo $N >/n\nRUN cat /n\n")
    small, started, pruned = builder.with_variables(**SMALL), [], set()
    for number in range(5):
        started.append(small.start("build", "-t", f"app:{number}", "--build-arg", f"N={number}", tmp_path))
        pruned.add(builder("prune").returncode)
    said = [build.communicate(timeout=120)[0] for build in started]
    assert [build.returncode for build in started] == [0] * 5, said
    assert pruned <= {0, 6}
    assert [builder.succeed("run", "--rm", f"app:{number}", "cat", "/n") for number in range(5)] == [
        f"{number}\n" for number in range(5)
    ]


def test_a_size_that_is_none_is_refused_before_anything_is_built(minibuild: Minibuild, tmp_path: Path) -> None:
    done = minibuild.with_variables(MINIBUILD_KEEP_STORAGE="much")("build", tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "error: MINIBUILD_KEEP_STORAGE wants a size such as 10GB, got 'much'\n",
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--keep-storage", "much"], "--keep-storage wants a size such as 10GB, got 'much'"),
        (["--until", "long"], "--until wants a duration such as 72h, got 'long'"),
        (["--filter", "type=step"], "--filter 'type=step' is no type of what is kept"),
        (["--filter", "label=x"], "--filter 'label=x' is no filter, wanted type=… or until=…"),
    ],
)
def test_what_cannot_be_meant_throws_nothing_away(minibuild: Minibuild, words: list[str], complaint: str) -> None:
    done = minibuild("prune", *words)
    assert (done.returncode, complaint in done.stderr) == (2, True)
