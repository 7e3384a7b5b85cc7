"""Keys: what is in them, what isn't, and that they don't move by themselves."""

from dataclasses import replace

import pytest

from minibuild.instructions.effects import (
    CopyFiles,
    Effect,
    FromContext,
    FromImage,
    FromStage,
    InlineFile,
    MakeDirectory,
    RunCommand,
    SourcePath,
)
from minibuild.plan import step_key
from minibuild.source import Source

RUN = RunCommand(("/bin/sh", "-c", "make"), (("A", "1"),), "/w", "app")
COPY = CopyFiles((SourcePath("src"),), "/app/", owner="app", mode=0o755)


def key(effect: Effect, parent: str = "sha256:p", **inputs: object) -> str:
    """The key alone."""
    return step_key(parent, effect, inputs)[0]


def test_a_key_is_the_same_in_every_process() -> None:
    assert key(RUN) == "sha256:4b749ae44c774ba8efc8d74d88d87445ed8f1b882c34b21bbaa54c9dd7ebc6ef"


@pytest.mark.parametrize(
    "other",
    [
        replace(RUN, arguments=("/bin/sh", "-c make")),
        replace(RUN, environment=(("A", "2"),)),
        replace(RUN, environment=()),
        replace(RUN, directory="/"),
        replace(RUN, user=""),
        replace(RUN, network="none"),
        replace(RUN, files=(InlineFile("/dev/pipes/EOF", b"x", 0o755),)),
        MakeDirectory("/w", "app"),
    ],
)
def test_all_that_an_effect_says_is_in_its_key(other: Effect) -> None:
    assert key(other) != key(RUN)


def test_what_an_effect_reads_is_in_its_key_and_so_is_the_parent() -> None:
    keys = {key(COPY), key(COPY, files=["a"]), key(COPY, files=["b"]), key(COPY, "sha256:q"), key(COPY, "")}
    assert len(keys) == 5


def test_proxies_are_not_in_a_key() -> None:
    assert key(replace(RUN, proxies=(("http_proxy", "p"),))) == key(RUN)


def test_places_in_the_file_are_not_in_a_key() -> None:
    span = Source("Dockerfile", "COPY src /app/").span(5, 8)
    assert key(replace(COPY, sources=(SourcePath("src", span),))) == key(COPY)


def test_the_number_of_a_stage_is_not_in_a_key() -> None:
    assert key(replace(COPY, origin=FromStage(1))) == key(replace(COPY, origin=FromStage(2)))
    origins = (FromContext(), FromStage(1), FromImage("a"), FromImage("b"))
    assert len({key(replace(COPY, origin=origin)) for origin in origins}) == 4


def test_the_content_of_here_documents_is_in_a_key_by_its_digest() -> None:
    one, two = (replace(COPY, inline=(InlineFile("EOF", content),)) for content in (b"first", b"two"))
    assert key(one) != key(two)
    assert "first" not in repr(step_key("", one, {})[1])


def test_words_that_are_glued_differently_have_different_keys() -> None:
    assert key(replace(RUN, arguments=("a", "b c"))) != key(replace(RUN, arguments=("a b", "c")))


def test_the_order_of_inputs_says_nothing() -> None:
    assert key(COPY, a=1, b=2) == key(COPY, b=2, a=1)


def test_parts_are_json_values_with_their_types() -> None:
    _, parts = step_key("p", MakeDirectory("/w", ""), {"n": None})
    assert parts == {
        "schema": 2,
        "parent": "p",
        "effect": {"is": "MakeDirectory", "path": "/w", "user": ""},
        "inputs": {"n": None},
    }


def test_names_that_are_not_utf_8_have_keys() -> None:
    assert key(COPY, path="\udcff") != key(COPY, path="\udcfe")


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        key(COPY, bad=object())
