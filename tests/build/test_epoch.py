"""SOURCE_DATE_EPOCH: seconds, the context's newest file, or what a stage ADDs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minibuild.errors import DockerfileError, MinibuildError, UsageError
from tests.build.test_engine import Bench

TOLD = "FROM scratch\nARG SOURCE_DATE_EPOCH\nLABEL epoch=$SOURCE_DATE_EPOCH\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A context with a file of 2001, one of 2009 that is ignored, and a Dockerfile as old as it comes."""
    (tmp_path / "context").mkdir()
    bench = Bench(tmp_path / "context", tmp_path / "store")
    bench.write(old="", young="", **{".dockerignore": "young\nDockerfile\n"})
    for name, time in (("old", 1_000_000_000), ("young", 1_234_567_890), (".dockerignore", 1)):
        os.utime(bench.context / name, (time, time))
    return bench


@pytest.mark.parametrize(
    ("arguments", "above", "epoch", "created"),
    [
        ({"SOURCE_DATE_EPOCH": "7"}, "", "7", "1970-01-01T00:00:07Z"),
        ({"SOURCE_DATE_EPOCH": "context"}, "", "1000000000", "2001-09-09T01:46:40Z"),
        ({}, "ARG SOURCE_DATE_EPOCH=8\n", "8", "1970-01-01T00:00:08Z"),
        ({}, "ARG N=1\nARG SOURCE_DATE_EPOCH=${N}0\n", "10", "1970-01-01T00:00:10Z"),
        ({}, "ARG SOURCE_DATE_EPOCH=context\n", "1000000000", "2001-09-09T01:46:40Z"),
        ({"SOURCE_DATE_EPOCH": "7"}, "ARG SOURCE_DATE_EPOCH=8\n", "7", "1970-01-01T00:00:07Z"),
    ],
)
def test_a_build_dates_itself_as_it_is_told_and_arg_sees_the_number(
    bench: Bench, arguments: dict[str, str], above: str, epoch: str, created: str
) -> None:
    config = bench.build(above + TOLD + "COPY old /\n", build_arguments=arguments).image.config
    assert (config.config.labels["epoch"], config.created) == (epoch, created)
    assert {line.created for line in config.history[-1:]} == {created}


def test_a_build_may_be_as_old_as_another_context(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "f").touch()
    os.utime(tmp_path / "src" / "f", (9, 9))
    named = {"Src": str(tmp_path / "src"), "image": "docker-image://busybox"}
    told = bench.build(TOLD, build_arguments={"SOURCE_DATE_EPOCH": "src"}, named_contexts=named).image.config
    assert told.config.labels["epoch"] == "9"
    with pytest.raises(UsageError, match="--build-context image is an image, wanted files"):
        bench.build(TOLD, build_arguments={"SOURCE_DATE_EPOCH": "image"}, named_contexts=named)


@pytest.mark.parametrize("arguments", [{}, {"SOURCE_DATE_EPOCH": ""}])
def test_a_build_that_is_told_nothing_dates_itself_now(bench: Bench, arguments: dict[str, str]) -> None:
    config = bench.build(TOLD, build_arguments=arguments).image.config
    assert config.config.labels["epoch"] == ""


def test_a_context_without_files_has_no_time(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    bench = Bench(tmp_path / "empty", tmp_path / "store")
    bench.write(**{".dockerignore": "*"})
    config = bench.build(TOLD, build_arguments={"SOURCE_DATE_EPOCH": "context"}).image.config
    assert config.config.labels["epoch"] == ""


@pytest.mark.parametrize(
    ("words", "text", "kind", "message", "hint"),
    [
        (
            "now",
            TOLD,
            UsageError,
            "SOURCE_DATE_EPOCH wants seconds since 1970, context or the name of a stage, got 'now'",
            "",
        ),
        ("conext", TOLD, UsageError, "got 'conext'", "did you mean context?"),
        ("-1", TOLD, UsageError, "got '-1'", ""),
        (
            "s",
            "FROM busybox AS s\nFROM scratch\n",
            MinibuildError,
            "names a stage whose files are busybox's",
            "name one",
        ),
        ("S", "FROM scratch AS s\nCOPY old /\nFROM scratch\n", DockerfileError, "stage s has no time", "name a stage"),
        ("s", "FROM scratch AS s\nADD old /\nFROM scratch\n", DockerfileError, "stage s has no time", "name a stage"),
        (
            "s",
            "FROM scratch AS s\nADD http://x/y /\nUSER 1\nFROM scratch\n",
            DockerfileError,
            "stage s has no time",
            "name a stage",
        ),
    ],
)
def test_what_is_no_time_is_refused_before_anything_is_done(
    bench: Bench, words: str, text: str, kind: type[MinibuildError], message: str, hint: str
) -> None:
    with pytest.raises(kind) as caught:
        bench.build(text, build_arguments={"SOURCE_DATE_EPOCH": words})
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)
    assert bench.outcomes() == {}
