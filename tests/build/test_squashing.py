"""--squash: fewer layers, the same files; and a history that says what became one."""

from __future__ import annotations

import pytest

from minibuild.build.squashing import check_stands_on
from minibuild.errors import ImageError
from minibuild.layers.entry import Entry
from minibuild.oci import Image
from tests.build.test_engine import Bench, bench

__all__ = ["bench"]

STAGES = """\
FROM scratch AS lower
COPY f /d/f
COPY f /d/other
FROM lower
COPY g /d/f
COPY g /e/g
USER nobody
"""


def built(bench: Bench, squash: str, dockerfile: str = STAGES) -> Image:
    image = bench.build(dockerfile, source_date_epoch=0, squash=squash).image
    assert isinstance(image, Image)
    return image


def files(bench: Bench, image: Image) -> list[Entry]:
    return [entry._replace(offset=-1) for entry in bench.tree(image).walk("")]


def lines(image: Image) -> list[str]:
    """What made each layer: ``-`` for a line without one."""
    return [f"{'- ' if line.empty_layer else ''}{line.created_by or line.comment}" for line in image.config.history]


@pytest.mark.parametrize(("squash", "layers"), [("", 4), ("base", 1), ("stage", 2), ("all", 1)])
def test_fewer_layers_hold_the_same_files(bench: Bench, squash: str, layers: int) -> None:
    plain, image = built(bench, ""), built(bench, squash)
    assert (len(image.layers), files(bench, image)) == (layers, files(bench, plain))
    assert image.config.config == plain.config.config


def test_the_history_keeps_each_step_and_ends_with_what_became_of_them(bench: Bench) -> None:
    plain, image = built(bench, ""), built(bench, "base")
    steps = [f"- {line.removeprefix('- ')}" for line in lines(plain)]
    assert lines(image) == [*steps, f"create new from {plain.id}"]


def test_each_stage_ends_with_its_layer(bench: Bench) -> None:
    lower, plain = built(bench, "", STAGES.partition("FROM lower")[0]), built(bench, "")
    history = lines(built(bench, "stage"))
    assert [history[2], history[-1]] == [f"create new from {lower.id}", f"merge {plain.id} to {lower.id}"]
    assert [line.startswith("- ") for line in history] == [True, True, False, True, True, True, False]


def test_the_layers_of_a_base_stay_and_what_hides_them_is_kept(bench: Bench) -> None:
    base = built(bench, "", STAGES)
    bench.write(g="three")
    upon = "FROM base\nCOPY g /d/f\nCOPY f /d/f\nADD g /new\n"
    wishes = {"named_contexts": {"base": f"oci-layout:{bench.root}@{base.digest}"}, "source_date_epoch": 0}
    plain = bench.build(upon, **wishes).image
    image = bench.build(upon, squash="base", **wishes).image
    assert (len(plain.layers), len(image.layers)) == (7, 5)
    assert image.layers[:4] == base.layers
    assert files(bench, image) == files(bench, plain)


def test_one_layer_is_nothing_to_squash(bench: Bench) -> None:
    dockerfile = "FROM scratch\nCOPY f /\n"
    assert built(bench, "base", dockerfile) == built(bench, "", dockerfile)


def test_the_second_time_it_is_cached(bench: Bench) -> None:
    first = built(bench, "all")
    assert built(bench, "all") == first


def test_an_image_that_stands_on_another_begins_with_its_layers(bench: Bench) -> None:
    plain, squashed = built(bench, ""), built(bench, "all")
    check_stands_on(plain, plain, "app", "base")
    with pytest.raises(ImageError, match="app doesn't stand on base: of its 4 layers, app begins with 0"):
        check_stands_on(squashed, plain, "app", "base")
