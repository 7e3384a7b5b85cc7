"""Every ``fixtures/corpus/<case>/``, whole projects as teams write them: read, planned, drawn up, checked.

``checked.txt`` says of each how many of its stages are needed, how many steps they have, and which rules it breaks on
which lines. ``MINIBUILD_UPDATE_GOLDEN=1`` rewrites it; read the difference before you commit it.
"""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from minibuild.cli.main import run
from minibuild.instructions.effects import FromImage, origins_of
from minibuild.oci import Image, ImageConfig, Platform, Reference
from minibuild.plan import Options, Plan, plan, read, render
from minibuild.source import Source, Span
from tests.differential.cases import CORPUS, FIXTURES, SAMPLES, Case

CHECKED = FIXTURES / "corpus" / "checked.txt"
UPDATE = os.environ.get("MINIBUILD_UPDATE_GOLDEN") == "1"
AMD64 = Platform("linux", "amd64")
STAND_INS = runpy.run_path(str(FIXTURES / "stand-ins" / "stand_ins.py"))
CONFIGURATIONS = {
    str(Reference.parse(name)): ImageConfig.parse(json.dumps(STAND_INS["configuration"](description, [])).encode())
    for names, description in STAND_INS["images"]()
    for name in names
}


def lookup(name: str, platform: Platform, _span: Span) -> Image:
    """The stand-in of an image, as its configuration alone."""
    config = CONFIGURATIONS[str(Reference.parse(name))]
    return Image.compose(ImageConfig(platform, config.config), ())


def values(case: Case, flag: str) -> Iterator[str]:
    """What follows each of a flag among the words of a case."""
    return (value for word, value in pairwise(case.arguments) if word == flag)


def build_arguments(case: Case) -> dict[str, str]:
    """The ``--build-arg`` words that have a value."""
    return {
        name: value
        for name, mark, value in (word.partition("=") for word in values(case, "--build-arg"))
        if mark and "{" not in value
    }


def platform_of(case: Case) -> Platform:
    """What a case is built for."""
    return next(map(Platform.parse, values(case, "--platform")), AMD64)


def planned(case: Case, *, all_stages: bool = False) -> Plan:
    """The plan of a case upon stand-ins."""
    source = Source("Dockerfile", (case.directory / "Dockerfile").read_text())
    options = Options(
        build_arguments=build_arguments(case),
        platform=platform_of(case),
        build_platform=AMD64,
        all_stages=all_stages,
    )
    return plan(read(source), lookup, options)


def findings(case: Case, capture: pytest.CaptureFixture[str]) -> list[str]:
    """The lines and rules that ``minibuild check`` tells of."""
    words = [f"--build-arg={name}={value}" for name, value in build_arguments(case).items()]
    run(["check", "--format=json", "--platform=linux/amd64", *words, str(case.directory)], {})
    report = json.loads(capture.readouterr().out)
    assert "buildError" not in report
    return [f"{line_of(warning)} {warning['ruleName']}" for warning in report["warnings"]]


def line_of(warning: dict[str, Any]) -> str:
    """Where a warning points, "-" for nowhere."""
    return str(warning["location"]["ranges"][0]["start"]["line"]) if "location" in warning else "-"


def checked(case: Case, capture: pytest.CaptureFixture[str]) -> str:
    """A line of ``checked.txt``."""
    made = planned(case)
    steps = sum(len(stage.steps) for stage in made.stages)
    told = ", ".join(findings(case, capture)) or "nothing"
    return f"{case.name}: {len(made.order)} of {len(made.stages)} stages, {steps} steps; {told}\n"


def test_the_corpus_is_big_and_has_the_samples() -> None:
    assert len(CORPUS) >= 90
    assert set(SAMPLES) < {case.name for case in CORPUS}


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_every_stage_is_planned_and_drawn_up_the_same_each_time(case: Case) -> None:
    first, second = planned(case, all_stages=True), planned(case, all_stages=True)
    assert render(first) == render(second)
    assert all(stage.steps for stage in first.stages)


def test_checks_find_what_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = "".join(checked(case, capsys) for case in CORPUS)
    if UPDATE:
        CHECKED.write_text(lines)
    assert lines == CHECKED.read_text()


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_the_report_for_other_builders_lists_the_rules_it_tells_of(
    case: Case, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["check", "--target=docker,podman,kaniko,legacy", "--format=sarif", str(case.directory)], {})
    [report] = json.loads(capsys.readouterr().out)["runs"]
    told = {result["ruleId"] for result in report["results"]}
    assert told <= {rule["id"] for rule in report["tool"]["driver"]["rules"]}


def test_every_stand_in_stands_for_something() -> None:
    asked = {name for case in CORPUS for name in images_of(planned(case, all_stages=True))}
    assert {str(Reference.parse(name)) for name in asked} == set(CONFIGURATIONS)


def images_of(made: Plan) -> Iterator[str]:
    """The images that a plan's stages stand on or copy from."""
    for stage in made.stages:
        bases = [stage.base, *(origin for step in stage.steps for origin in origins_of(step.effect))]
        yield from (base.name for base in bases if isinstance(base, FromImage))
