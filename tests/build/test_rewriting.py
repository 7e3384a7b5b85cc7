"""rewrite-timestamp=true: what a build made is no younger than SOURCE_DATE_EPOCH, what it stands on stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from minibuild.errors import UsageError
from minibuild.oci import Image, Reference
from minibuild.store import Store
from tests.build.test_engine import Bench

OLD, EPOCH, YOUNG = 1_000_000_000, 1_234_567_890, 1_300_000_000
FILES = "FROM scratch\nCOPY old /d/\nCOPY young /d/\n"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A context with a file older than the epoch and one that is younger."""
    (tmp_path / "context").mkdir()
    bench = Bench(tmp_path / "context", tmp_path / "store")
    bench.write(old="old", young="young")
    for name, time in (("old", OLD), ("young", YOUNG)):
        os.utime(bench.context / name, (time, time))
    return bench


def rewritten(bench: Bench, dockerfile: str, epoch: int = EPOCH, **wishes: object) -> Image:
    image = bench.build(dockerfile, source_date_epoch=epoch, rewrites_times=True, **wishes).image
    assert isinstance(image, Image)
    return image


def times(bench: Bench, image: Image) -> dict[str, int]:
    return {entry.path: entry.mtime for entry in bench.tree(image).walk("")}


def test_times_are_clamped_and_older_ones_stay(bench: Bench) -> None:
    image = rewritten(bench, FILES)
    assert times(bench, image) == {"d": 0, "d/old": OLD, "d/young": EPOCH}
    assert (bench.read(image, "d/young"), image.config.created) == ("young", "2009-02-13T23:31:30Z")


def test_the_same_comes_out_of_the_cache_and_of_the_builds_before_that_wanted_none_of_it(bench: Bench) -> None:
    plain = bench.build(FILES, source_date_epoch=EPOCH)
    first = rewritten(bench, FILES)
    again = bench.build(FILES, source_date_epoch=EPOCH, rewrites_times=True)
    assert (again.image, again.cached) == (first, 2)
    assert first != plain.image
    assert bench.build(FILES, source_date_epoch=EPOCH).image == plain.image


COPIED = """\
FROM scratch AS files
COPY . /src/
FROM scratch
COPY --from=files /src/young /d/a
COPY young /d/b
WORKDIR /d/w
"""


def test_what_was_cached_before_the_epoch_is_as_old_as_what_would_be_made_now(bench: Bench, tmp_path: Path) -> None:
    rewritten(bench, COPIED)
    for name in ("old", "young", "."):  # a fresh checkout, of the same files, for a later commit
        os.utime(bench.context / name, (YOUNG + 500, YOUNG + 500))
    warm = bench.build(COPIED, source_date_epoch=YOUNG + 100, rewrites_times=True)
    cold = rewritten(Bench(bench.context, tmp_path / "other"), COPIED, YOUNG + 100)
    assert warm.cached == warm.steps
    assert warm.image == cold
    assert times(bench, cold) == {"d": 0, "d/a": YOUNG + 100, "d/b": YOUNG + 100, "d/w": 0}


def test_a_layer_with_nothing_young_stays_itself(bench: Bench) -> None:
    plain = bench.build(FILES, source_date_epoch=EPOCH).image
    assert [one == other for one, other in zip(rewritten(bench, FILES).layers, plain.layers, strict=True)] == [
        True,
        False,
    ]


def test_it_is_the_named_image_of_the_store_that_is_rewritten(bench: Bench) -> None:
    image = rewritten(bench, FILES, tags=(Reference.parse("app"),))
    with Store.at(bench.root) as store:
        assert store.images.find(Reference.parse("app")) == image


def test_layers_of_the_base_stay_to_the_byte_through_all_stages(bench: Bench) -> None:
    base = bench.build("FROM scratch\nCOPY young /base\n", tags=(Reference.parse("base"),)).image
    image = rewritten(bench, "FROM base AS one\nCOPY young /one\nFROM one\nCOPY young /two\n")
    assert image.layers[:1] == base.layers
    assert times(bench, image) == {"base": YOUNG, "one": EPOCH, "two": EPOCH}


def test_links_come_through(bench: Bench) -> None:
    (bench.context / "d").mkdir()
    (bench.context / "d" / "a").write_text("a")
    os.link(bench.context / "d" / "a", bench.context / "d" / "b")
    (bench.context / "d" / "link").symlink_to("a")
    image = rewritten(bench, "FROM scratch\nCOPY d /\n", OLD)
    with Store.at(bench.root) as store:
        found = [
            (entry.path, entry.kind.value, entry.link, entry.mtime) for entry in store.index(image.layers[0]).entries
        ]
    assert found == [("a", "file", "", OLD), ("b", "hardlink", "a", OLD), ("link", "symlink", "a", OLD)]
    assert bench.read(image, "b") == "a"


def test_without_an_epoch_it_is_refused_before_anything_is_built(bench: Bench) -> None:
    with pytest.raises(UsageError, match="rewrite-timestamp=true wants a time, and SOURCE_DATE_EPOCH says none"):
        bench.build("FROM scratch\nCOPY nothing /\n", rewrites_times=True)


def test_a_stage_whose_steps_are_forgotten_is_not_built_for_its_times(bench: Bench) -> None:
    cold = rewritten(bench, COPIED)
    with Store.at(bench.root) as store:
        for record in store.records.all():
            if record.place.startswith("files"):
                store.records.remove(record)
    again = bench.build(COPIED, source_date_epoch=EPOCH, rewrites_times=True)
    assert (again.image, again.cached) == (cold, again.steps)
