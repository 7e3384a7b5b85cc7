"""Options of other builders: taken, said to have no effect, or refused with what to do instead."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from minibuild.cli import foreign
from minibuild.cli.build_options import build_parser
from minibuild.cli.foreign import environment_of
from minibuild.errors import UsageError

NOTHING: Mapping[str, str] = MappingProxyType({})


def read(*words: str) -> argparse.Namespace:
    return build_parser({}).read(words)


REFUSED = {
    **{f"{name}=x": instead for name, instead in foreign.REFUSED.items()},
    **foreign.REFUSED_SWITCHES,
    **{f"{name}=other": instead for name, (_, instead) in foreign.REFUSED_UNLESS.items()},
}


@pytest.mark.parametrize(("word", "instead"), REFUSED.items(), ids=REFUSED)
def test_what_would_be_missed_is_refused_with_what_to_do(word: str, instead: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(word)
    assert (caught.value.message, caught.value.hint) == (f"{_said(word)} is not supported yet", instead)


def _said(word: str) -> str:
    return word if word.endswith("=other") else word.partition("=")[0]


NOTED = {**{f"{name}=x": reason for name, reason in foreign.NOTED.items()}, **foreign.NOTED_SWITCHES}


@pytest.mark.parametrize(("word", "reason"), NOTED.items(), ids=NOTED)
def test_what_is_done_anyway_is_taken_and_said_once(word: str, reason: str) -> None:
    assert read(word, word).notes == (f"{word.partition('=')[0]} has no effect: {reason}",)


@pytest.mark.parametrize("word", ["--layers", "--layers=true", "--http-proxy=true", "--skip-unused-stages=true"])
def test_what_asks_for_what_is_done_anyway_is_taken_in_silence(word: str) -> None:
    assert not hasattr(read(word), "notes")


@pytest.mark.parametrize(
    ("words", "asks"),
    [
        ((), False),
        (("--pull", "."), True),
        (("--pull=true",), True),
        (("--pull=always",), True),
        (("--pull=newer",), True),
        (("--pull=missing",), False),
        (("--pull=false",), False),
    ],
)
def test_a_policy_says_whether_registries_are_asked(words: tuple[str, ...], asks: bool) -> None:
    assert read(*words).pull is asks


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), {}),
        (("--authfile", "a.json"), {"REGISTRY_AUTH_FILE": "a.json"}),
        (("--tls-verify",), {}),
        (("--tls-verify=false",), {"MINIBUILD_INSECURE_REGISTRY": "*"}),
    ],
)
def test_what_is_a_variable_here_is_set_for_the_build(words: tuple[str, ...], said: Mapping[str, str]) -> None:
    assert environment_of(read(*words), {"A": "b"}) == {"A": "b", **said}
