"""Contexts by name: files instead of a stage or an image, opened when they are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.build.named import is_image, name_of
from minibuild.errors import ContextError, UsageError
from tests.build.test_engine import Bench, bench
from tests.build.test_inputs import packed, tree

__all__ = ["bench"]


@pytest.mark.parametrize(
    ("words", "name"),
    [("alpine", "alpine"), ("alpine:latest", "alpine"), ("docker.io/library/alpine", "alpine"), ("Src", "src")],
)
def test_a_name_is_that_of_an_image_without_what_is_implied(words: str, name: str) -> None:
    assert name_of(words) == name


def test_a_place_is_an_image_by_its_scheme() -> None:
    words = ("docker-image://a", "oci-layout://a", "docker-archive:a.tar", "a", "../a", "https://h/a", "git@h:a/b")
    assert [is_image(word) for word in words] == [True] * 3 + [False] * 4


def test_a_directory_gives_files_but_those_that_its_own_ignore_file_leaves_out(bench: Bench, tmp_path: Path) -> None:
    other = tree(tmp_path / "other", "a", "b")
    (other / ".dockerignore").write_text("b\n")
    image = bench.build("FROM scratch\nCOPY --from=src . /\n", named_contexts={"src": str(other)}).image
    assert [entry.path for entry in bench.tree(image).children("")] == [".dockerignore", "a"]


def test_the_context_itself_has_another_name_and_its_root_s_ignore_file(bench: Bench) -> None:
    bench.write(**{".dockerignore": "g\n", "Dockerfile.dockerignore": "f\n"})
    result = bench.build("FROM scratch\nCOPY --from=me f /\n", named_contexts={"me": str(bench.context)})
    assert bench.read(result.image, "f") == "one"


def test_a_named_context_stands_in_for_a_stage(bench: Bench, tmp_path: Path) -> None:
    other = tree(tmp_path / "other", "f")
    text = "FROM absent.invalid/x AS src\nFROM scratch\nCOPY --from=src f /\n"
    assert bench.read(bench.build(text, named_contexts={"src": str(other)}).image, "f") == "f"


def test_a_named_context_stands_in_for_an_image_of_that_name(bench: Bench, tmp_path: Path) -> None:
    other = tree(tmp_path / "other", "f")
    text = "FROM scratch\nCOPY --from=alpine:latest f /\n"
    assert bench.read(bench.build(text, named_contexts={"alpine": str(other)}).image, "f") == "f"


def test_a_tarball_is_unpacked(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "c.tgz").write_bytes(packed(compression="gz", **{"d/f": "in it"}))
    result = bench.build("FROM scratch\nCOPY --from=src d /\n", named_contexts={"src": str(tmp_path / "c.tgz")})
    assert bench.read(result.image, "f") == "in it"


def test_the_cache_knows_files_by_what_they_hold(bench: Bench, tmp_path: Path) -> None:
    other = tree(tmp_path / "other", "f")
    text = "FROM scratch\nCOPY --from=src f /\n"
    first = bench.build(text, named_contexts={"src": str(other)})
    again = bench.build(text, named_contexts={"src": str(other)})
    (other / "f").write_text("changed")
    changed = bench.build(text, named_contexts={"src": str(other)})
    assert [result.cached for result in (first, again, changed)] == [0, 1, 0]
    assert bench.read(changed.image, "f") == "changed"


def test_files_are_no_base(bench: Bench) -> None:
    with pytest.raises(UsageError, match="holds files, and FROM wants an image") as caught:
        bench.build("FROM src\n", named_contexts={"src": str(bench.context)})
    assert caught.value.hint.startswith("take files of it by COPY --from=src")
    assert str(caught.value.span) == "Dockerfile:1:6"


def test_scratch_by_name_is_empty(bench: Bench) -> None:
    assert bench.build("FROM base\n", named_contexts={"base": "docker-image://scratch"}).image.layers == ()


def test_what_is_not_there_is_told_with_the_name(bench: Bench) -> None:
    with pytest.raises(ContextError, match="--build-context src: /nowhere doesn't exist"):
        bench.build("FROM scratch\nCOPY --from=src f /\n", named_contexts={"src": "/nowhere"})


def test_what_nothing_is_taken_from_is_not_opened(bench: Bench) -> None:
    bench.build("FROM scratch\nCOPY f /\n", named_contexts={"src": "https://absent.invalid/x.tar"})


def test_a_file_that_is_not_there_is_told_with_the_name_and_its_neighbour(bench: Bench, tmp_path: Path) -> None:
    tree(tmp_path / "other", "app.py")
    with pytest.raises(ContextError) as caught:
        bench.build("FROM scratch\nCOPY --from=src app.pz /\n", named_contexts={"src": str(tmp_path / "other")})
    assert (caught.value.message, caught.value.hint) == (
        "app.pz is not in the context 'src'",
        "did you mean app.py?",
    )


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("oci-layuot://x", "did you mean oci-layout?"),
        ("docker-imge:x", "did you mean docker-image?"),
        ("x/y", "a direc"),
    ],
)
def test_a_place_that_there_is_none_of_is_told_even_if_it_is_not_used(bench: Bench, place: str, hint: str) -> None:
    with pytest.raises(ContextError, match=f"--build-context src: {place} doesn't exist") as caught:
        bench.build("FROM scratch\nCOPY f /\n", named_contexts={"src": place})
    assert caught.value.hint.startswith(hint)
