"""Why a step isn't cached is told by what changed since it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from minibuild.build.explaining import explain
from minibuild.build.lookup import keyed
from minibuild.oci import Image, Platform
from minibuild.plan import Options, Step, plan, read, step_key
from minibuild.source import Source, Span
from minibuild.store import Record, Store

PLACE = "stage-0 2"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.at(tmp_path / "store") as opened:
        yield opened


def step_of(text: str) -> Step:
    """The last step of a stage upon an image."""

    def an_image(_name: str, platform: Platform, _span: Span) -> Image:
        return Image.scratch(platform)

    return plan(read(Source("Dockerfile", f"FROM base\n{text}\n")), an_image, Options()).stages[0].steps[-1]


def row(path: str, content: str = "a", mode: int = 0o644) -> list[object]:
    return [path, "file", mode, content]


def explained(
    store: Store,
    old: str,
    new: str,
    files: tuple[Sequence[object], Sequence[object]] | None = None,
    below: tuple[str, str] = ("below", "below"),
) -> tuple[str, ...]:
    """What is said of a step that was done once as ``old``; files and what is below are as they were and are."""
    for text, place in ((old, 0), (new, 1)):
        step = step_of(text)
        assert step.effect is not None
        key, parts = step_key(below[place], keyed(step.effect), {"files": files[place]} if files else {})
        if not place:
            store.records.put(Record(key, parts, place=PLACE))
    return explain(store.records, key, parts, step, PLACE)


@pytest.mark.parametrize(
    ("old", "new", "reasons"),
    [
        ("RUN a", "RUN b", ("its command changed",)),
        ("ARG V=1\nRUN a", "ARG V=2\nRUN a", ("ARG V was '1', is '2'",)),
        ("ENV V=1\nRUN a", "ENV V=2\nRUN a", ("ENV V was '1', is '2'",)),
        ("RUN a", "ENV V=1\nRUN a", ("ENV V is new: '1'",)),
        ("ARG V=1\nRUN a", "RUN a", ("V is gone, was '1'",)),
        ("RUN a", "WORKDIR /w\nRUN a", ("WORKDIR was '/', is '/w'",)),
        ("RUN a", "USER u\nRUN a", ("USER was '', is 'u'",)),
        ("RUN a", "RUN --network=none a", ("network was 'default', is 'none'",)),
        ("RUN a", "RUN --mount=type=cache,target=/c a", ("its mounts changed",)),
        ("WORKDIR /a", "WORKDIR /b", ("path was '/a', is '/b'",)),
        ("RUN a", "WORKDIR /b", ("it was not done before",)),
    ],
)
def test_what_a_step_is_to_do(store: Store, old: str, new: str, reasons: tuple[str, ...]) -> None:
    assert explained(store, old, new) == reasons


@pytest.mark.parametrize(
    ("was", "now", "reasons"),
    [
        ([row("/a")], [row("/a", "b")], ("src/a changed",)),
        ([row("/a")], [row("/a", mode=0o755)], ("src/a has another mode, owner or attribute",)),
        ([row("/a")], [row("/a"), row("/b")], ("src/b is new",)),
        ([row("/a"), row("/b")], [row("/b")], ("src/a is gone",)),
        (
            [row(f"/{name}") for name in "abcde"],
            [row(f"/{name}", "b") for name in "abcde"],
            ("src/a changed", "src/b changed", "src/c changed", "2 more changed"),
        ),
    ],
)
def test_the_files_that_it_copies(store: Store, was: list[object], now: list[object], reasons: tuple[str, ...]) -> None:
    assert explained(store, "COPY src /", "COPY src /", files=(was, now)) == reasons


def test_a_file_that_is_named_is_called_as_it_is_named(store: Store) -> None:
    text = "COPY a/x b/y /d/"
    assert explained(store, text, text, files=([row("x")], [row("x", "b")])) == ("a/x changed",)


def test_the_files_that_are_mounted(store: Store) -> None:
    text = "RUN --mount=source=conf,target=/c --mount=source=x,target=/x a"
    was, now = [[row("/a")], [row("x")]], [[row("/a")], [row("x", "b")]]
    assert explained(store, text, text, files=(was, now)) == ("x changed",)


def test_what_it_stands_on(store: Store) -> None:
    assert explained(store, "RUN a", "RUN a", below=("old", "new")) == ("the base image changed",)
    text = "ENV A=1\nRUN a"
    assert explained(store, text, text, below=("old", "new")) == ("what it stands on changed",)


def test_a_step_of_another_dockerfile_is_not_compared(store: Store) -> None:
    assert explained(store, "RUN a", "RUN b", below=("other", "below")) == ("it was not done before",)


def test_a_key_that_was_done_has_lost_what_it_made(store: Store) -> None:
    assert explained(store, "RUN a", "RUN a") == (
        "what it made is not in the store any more, or was made upon something else",
    )
