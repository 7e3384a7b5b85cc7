"""The words of --attest, --sbom and --provenance."""

from __future__ import annotations

import pytest

from minibuild.build.attesting.wishes import Attestations, parse_attestations
from minibuild.cli.attestations import attestations_of
from minibuild.cli.build_options import build_parser
from minibuild.errors import UsageError


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], Attestations()),
        (["--sbom"], Attestations(sbom=True)),
        (["--sbom=true", "--provenance=true"], Attestations(sbom=True, provenance="min")),
        (["--sbom=false", "--provenance=false"], Attestations()),
        (["--provenance=mode=max"], Attestations(provenance="max")),
        (["--provenance=mode=max,builder-id=https://ci.example/1"], Attestations(False, "max", "https://ci.example/1")),
        (["--attest", "type=sbom", "--attest=type=provenance,mode=min,version=v1"], Attestations(True, "min")),
        (["--attest", "type=sbom,disabled=true"], Attestations()),
        (["--provenance", "--provenance=false"], Attestations()),
    ],
)
def test_words_say_what_is_to_be_attested(words: list[str], expected: Attestations) -> None:
    assert attestations_of(build_parser({}).read([*words, "."])) == expected


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("type=sbom,generator=x/y", "minibuild runs no generator, it reads the layers itself", "leave generator= out"),
        ("type=sbmo", "has 'sbmo' for a type", "did you mean sbom?"),
        ("sbom", "has 'sbom', wanted key=value", "such as type=sbom, or type=provenance,mode=max"),
        ("type=provenance,mode=full", "has 'full' for a mode", "choose from min, max"),
        ("type=provenance,version=v0.2", "wants SLSA v0.2, and minibuild writes v1", "leave version= out"),
        ("type=provenance,mod=max", "has the attribute 'mod', which is unknown", "did you mean mode?"),
        ("type=sbom,disabled=yes", "has 'yes' for disabled, wanted true or false", ""),
    ],
)
def test_words_that_say_nothing_are_refused(word: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_attestations([word])
    assert message in refused.value.message
    assert refused.value.hint == hint


def test_one_thing_is_attested_once() -> None:
    with pytest.raises(UsageError, match="type=sbom twice"):
        parse_attestations(["type=sbom", "type=sbom"])
