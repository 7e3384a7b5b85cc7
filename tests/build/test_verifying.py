"""A build done twice: what differs is found in the stage and the step that it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from minibuild.build.request import BuildRequest
from minibuild.build.verifying import Verdict, built_against, built_twice
from minibuild.comparing import Side
from minibuild.errors import UsageError
from minibuild.events import Event, Started, silent
from minibuild.oci import Image, Reference
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store
from tests.build.test_add_url import Site, site
from tests.build.test_engine import Bench, bench

__all__ = ["bench", "site"]

FILES = "FROM scratch AS files\nCOPY f /out/f\nFROM scratch\nCOPY --from=files /out/ /got/\nWORKDIR /w\n"
FETCHED = (
    "FROM scratch AS fetched\nCOPY f /f\nADD {url}/page /page\nFROM scratch\nCOPY g /g\nCOPY --from=fetched / /all/\n"
)


class Changing(dict[str, tuple[Mapping[str, str], bytes]]):
    """Pages that are never the same twice."""

    def __init__(self) -> None:
        super().__init__({"/page": ({}, b"")})
        self._numbers = count(1)

    def get(self, _key: str, _default: object = None) -> tuple[Mapping[str, str], bytes]:  # type: ignore[override]
        return {"Last-Modified": "Thu, 01 Jan 1970 00:00:09 GMT"}, f"page {next(self._numbers)}".encode()


@contextmanager
def twice(bench: Bench, dockerfile: str, **wishes: object) -> Iterator[Verdict]:
    bench.events.clear()
    (bench.context / "Dockerfile").write_text(dockerfile)
    request = replace(BuildRequest(str(bench.context)), **wishes)  # type: ignore[arg-type]
    with Store.at(bench.root) as store, built_twice(request, store, bench.events.append, Cancellation()) as verdict:
        yield verdict


def test_what_only_copies_comes_to_the_same_twice(bench: Bench) -> None:
    with twice(bench, FILES) as verdict:
        assert (verdict.culprit, verdict.result.is_equal) == (None, True)
        assert verdict.result.left.image.digest == verdict.result.right.image.digest
    titles = [event.title for event in bench.events if isinstance(event, Started)]
    assert titles[0] == "[files 2/2] COPY f /out/f"
    assert titles[len(titles) // 2 :] == [f"again {title}" for title in titles[: len(titles) // 2]]
    assert len({event.activity for event in bench.events if isinstance(event, Started)}) == len(titles)


def test_it_leaves_neither_images_nor_files_but_the_cache(bench: Bench) -> None:
    with twice(bench, FILES):
        pass
    with Store.at(bench.root) as store:
        assert (store.images.listed(), list(store.scratch.iterdir())) == ((), [])
    again = bench.build(FILES)
    assert again.cached == again.steps


def test_an_image_that_is_listed_stays_listed(bench: Bench) -> None:
    bench.build(FILES, source_date_epoch=7, tags=(Reference.parse("app"),))
    with twice(bench, FILES, source_date_epoch=7):
        pass
    with Store.at(bench.root) as store:
        assert [str(name) for name, _ in store.images.listed()] == ["docker.io/library/app:latest"]


def test_the_cause_is_found_in_the_stage_that_made_it(bench: Bench, site: Site) -> None:
    site.pages = Changing()
    with twice(bench, FETCHED.format(url=site.url)) as verdict:
        assert verdict.culprit is not None
        stage, comparison = verdict.culprit
        (layer,) = comparison.layers()
        step = verdict.step_of(stage, layer)
        assert (stage.title, layer.first.subject, layer.first.field) == ("fetched", "page", "content")
        assert step is not None
        assert (step.statement.span.line, comparison.first_byte(layer, layer.first)) == (3, 5)


def test_what_differs_in_a_stage_alone_does_not_matter(bench: Bench, site: Site) -> None:
    site.pages = Changing()
    with twice(bench, FETCHED.format(url=site.url).replace("--from=fetched /", "--from=fetched /f")) as verdict:
        assert (verdict.result.is_equal, verdict.culprit) == (True, None)


def test_bases_of_the_store_are_the_second_builds_too_and_steps_are_counted_above_them(
    bench: Bench, site: Site
) -> None:
    bench.build("FROM scratch\nCOPY f /f\nCOPY g /g\n", tags=(Reference.parse("base"),))
    site.pages = Changing()
    text = f"FROM base\nCOPY --from=base /f /two\nENV A=1\nADD {site.url}/page /\n"
    with twice(bench, text) as verdict:
        stage, comparison = verdict.culprit or pytest.fail("differs")
        (layer,) = comparison.layers()
        step = verdict.step_of(stage, layer)
        assert (layer.numbers, step and step.statement.span.line) == ((4, 4), 4)


def test_an_image_is_compared_with_a_build_as_of_its_own_time(bench: Bench) -> None:
    image = bench.build(FILES, source_date_epoch=1234567890).image
    other = bench.build(FILES.replace("/w", "/v"), source_date_epoch=1234567890).image
    assert isinstance(image, Image)
    assert isinstance(other, Image)
    (bench.context / "Dockerfile").write_text(FILES)
    request = BuildRequest(str(bench.context))
    with Store.at(bench.root) as store:
        same, differs = (
            built_against(request, Side("app", one, store), store, silent, Cancellation()) for one in (image, other)
        )
        assert (same.result.is_equal, same.culprit) == (True, None)
        stage, comparison = differs.culprit or pytest.fail("differs")
        step = differs.step_of(stage, next(comparison.layers()))
        assert step is not None
        assert step.statement.original == "WORKDIR /w"


@pytest.mark.parametrize(("context", "dockerfile"), [("-", ""), (".", "-")])
def test_standard_input_is_refused_since_it_can_be_read_only_once(
    tmp_path: Path, context: str, dockerfile: str
) -> None:
    request, events = BuildRequest(context, dockerfile), list[Event]()
    with Store.at(tmp_path) as store, pytest.raises(UsageError, match="is standard input, which can be read only once"):
        built_twice(request, store, events.append, Cancellation()).__enter__()
