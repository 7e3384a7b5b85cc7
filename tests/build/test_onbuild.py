"""ONBUILD: triggers of images in the store and of stages, carried out in what is built on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.oci import Reference
from tests.build.test_engine import Bench

BASE = """\
FROM scratch
ONBUILD ARG NAME=nobody
ONBUILD WORKDIR /srv/$NAME
ONBUILD COPY --from=tools /tool ./
ONBUILD COPY <<a <<"b" ./
of $NAME
a
of $NAME
b
ONBUILD LABEL of=$NAME
LABEL base=yes
"""
CHILD = "FROM scratch AS tools\nCOPY f /tool\nFROM base:1 AS child\nCOPY g own\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A context with f and g, and a store with base:1."""
    (tmp_path / "context").mkdir()
    bench = Bench(tmp_path / "context", tmp_path / "store")
    bench.write(f="one", g="two")
    bench.build(BASE, tags=(Reference.parse("base:1"),))
    return bench


def test_triggers_are_kept_as_they_were_said_and_not_carried_out_yet(bench: Bench) -> None:
    image = bench.build(BASE).image
    assert image.layers == ()
    assert image.config.config.on_build == (
        "ARG NAME=nobody",
        "WORKDIR /srv/$NAME",
        "COPY --from=tools /tool ./",
        'COPY <<a <<"b" ./\nof $NAME\na\nof $NAME\nb',
        "LABEL of=$NAME",
    )


def test_triggers_of_an_image_copy_from_stages_of_the_child_and_bring_documents(bench: Bench) -> None:
    image = bench.build(CHILD, build_arguments={"NAME": "ann"}).image
    files = {path: bench.read(image, f"srv/ann/{path}") for path in ("tool", "a", "b", "own")}
    assert files == {"tool": "one", "a": "of ann\n", "b": "of $NAME\n", "own": "two"}
    config = image.config.config
    assert (config.on_build, config.directory, config.labels) == ((), "/srv/ann", {"base": "yes", "of": "ann"})


def test_grandchildren_have_what_the_triggers_made_and_no_triggers(bench: Bench) -> None:
    image = bench.build(CHILD + "FROM child\nCOPY f f\n").image
    assert bench.read(image, "srv/nobody/f") == "one"
    assert [title for title in bench.outcomes() if title.startswith("[stage-2")] == ["[stage-2 2/2] COPY f f"]


def test_triggers_of_a_stage_are_carried_out_where_it_is_the_base(bench: Bench) -> None:
    text = "FROM scratch AS base\nONBUILD COPY --from=late /f /got\nFROM scratch AS late\nCOPY f /f\nFROM base\n"
    result = bench.build(text)
    assert bench.read(result.image, "got") == "one"
    assert bench.build(text, target="base").image.layers == ()


def test_a_changed_file_makes_only_the_triggers_that_copy_it_anew(bench: Bench) -> None:
    bench.build(CHILD)
    bench.write(g="changed")
    bench.build(CHILD)
    outcomes = {title.partition("] ")[2]: outcome for title, outcome in bench.outcomes().items()}
    assert outcomes["WORKDIR /srv/$NAME"] == "cached"
    assert outcomes["COPY --from=tools /tool ./"] == "cached"
    assert outcomes["COPY g own"] == "done"
