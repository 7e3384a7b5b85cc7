"""Making room in a store that has built, and building again in what is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import Minibuild

pytestmark = pytest.mark.e2e

DOCKERFILE = """\
FROM busybox
RUN --mount=type=cache,target=/cache dd if=/dev/zero of=/cache/big bs=1M count=3 && echo one >/one
RUN echo two >/two
"""


@pytest.fixture
def built(builder: Minibuild, tmp_path: Path) -> Minibuild:
    """A builder that has built ``app`` in ``tmp_path``."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    builder.succeed("build", "-t", "app", tmp_path)
    return builder


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
