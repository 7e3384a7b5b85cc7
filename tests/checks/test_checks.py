"""Checks: each rule where it should be heard and where not."""

import pytest

from minibuild.checks import CHECKS, check
from minibuild.dockerfile import parse
from minibuild.oci import Platform
from minibuild.plan import Options, plan
from minibuild.source import Source


def rules(text: str) -> list[tuple[str, str]]:
    """The rules that a Dockerfile of scratch stages breaks, with the words they point at."""
    dockerfile = parse(Source("Dockerfile", text))
    platform = Platform("linux", "amd64")
    checked = check(dockerfile, plan(dockerfile, _no_images, Options(platform=platform, build_platform=platform)))
    return [(finding.rule, finding.span.text if finding.span else "") for finding in checked.findings]


def _no_images(*_asked: object) -> None:  # type: ignore[misc]
    raise AssertionError("all stages are from scratch")


def test_the_table_is_in_alphabetical_order() -> None:
    names = [check.rule for check in CHECKS if check.kind != "own"]
    assert names == sorted(names)
    assert len(names) == 22


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("FROM scratch AS Base\n", [("StageNameCasing", "Base")]),
        ("FROM scratch as base\n", [("FromAsCasing", "as")]),
        ("from scratch as base\n", []),
        ("from scratch AS base\n", [("FromAsCasing", "AS")]),
        ("FROM scratch AS a\nFROM scratch AS A\n", [("DuplicateStageName", "A"), ("StageNameCasing", "A")]),
        ("FROM scratch AS context\n", [("ReservedStageName", "context")]),
        ("FROM scratch\nenv A=1\nENV B=1\n", [("ConsistentInstructionCasing", "env")]),
        ("from scratch\nenv A=1\nENV B=1\n", [("ConsistentInstructionCasing", "ENV")]),
        ("FROM scratch\nEnv A=1\n", [("ConsistentInstructionCasing", "Env")]),
        ("FROM scratch\nCMD x\n", [("JSONArgsRecommended", "CMD")]),
        ('FROM scratch\nSHELL ["x"]\nCMD x\n', []),
        ('FROM scratch\nSHELL ["x"]\nFROM scratch\nCMD x\n', [("JSONArgsRecommended", "CMD")]),
        ('FROM scratch\nCMD ["a"]\nCMD ["b"]\n', [("MultipleInstructionsDisallowed", "CMD")]),
        ('FROM scratch\nCMD ["a"]\nFROM scratch\nCMD ["b"]\n', []),
        ("FROM scratch\nENV A $B\n", [("LegacyKeyValueFormat", "A $B"), ("UndefinedVar", "B")]),
    ],
)
def test_rules_are_heard_at_the_word(text: str, broken: list[tuple[str, str]]) -> None:
    assert rules(text) == broken


@pytest.mark.parametrize(
    "directive", ["skip=JSONArgsRecommended", "skip=X, jsonargsrecommended", "error=true;skip=all", "SKIP=ALL"]
)
def test_a_directive_at_the_top_skips_rules_in_the_file(directive: str) -> None:
    assert rules(f"# check={directive}\nFROM scratch\nCMD x\n") == []


def test_a_comment_above_an_instruction_skips_rules_there_alone() -> None:
    text = "FROM scratch\n# check=skip=UndefinedVar\nENV A=$B\nENV C=$D\n"
    assert rules(text) == [("UndefinedVar", "D")]


def test_a_comment_that_skips_another_rule_changes_nothing() -> None:
    assert rules("FROM scratch\n# check=skip=FromAsCasing\nENV A=$B\n") == [("UndefinedVar", "B")]
