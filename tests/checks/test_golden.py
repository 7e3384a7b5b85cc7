"""Every ``fixtures/checks/<Rule>/<case>/``: a Dockerfile, maybe options.json, and the text that a check of it prints.

``MINIBUILD_UPDATE_GOLDEN=1`` rewrites the texts; read the difference before you commit it.
"""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from minibuild.build.context import DirectoryContext
from minibuild.build.ignore import NOTHING_IGNORED, IgnoreFile
from minibuild.build.window import window_on
from minibuild.checks import CHECKS, Subject, examine
from minibuild.checks.advice import ADVICE
from minibuild.checks.portability import PORTABILITY
from minibuild.cli.reports import Report, as_text
from minibuild.cli.rules import rules
from minibuild.cli.session import Session
from minibuild.oci import ContainerConfig, Image, ImageConfig, Platform
from minibuild.plan import Options, plan, read
from minibuild.source import Source

ROOT = Path(__file__).parent.parent.parent / "fixtures" / "checks"
CASES = sorted(path.parent for path in ROOT.glob("*/*/Dockerfile"))
UPDATE = os.environ.get("MINIBUILD_UPDATE_GOLDEN") == "1"
AMD64 = Platform("linux", "amd64")
# Copying and running tell of these (tests/build, tests/end_to_end): nothing else sees what there is.
HEARD_LATER = {
    "CacheUnavailable",
    "NotIsolated",
    "OwnersLost",
    "NoMatch",
    "PackagesUnread",
    "SecretInHistory",
    "SecretInLayer",
    "SpecialFileInContext",
    "WriteNotKept",
}
RULES = sorted(rules().keys() - HEARD_LATER)


def image(asked: dict[str, Any], platform: Platform) -> Image:
    """The base that options.json describes."""
    environment = tuple(asked.get("environment", {}).items())
    shell, user = tuple(asked.get("shell", ())), asked.get("user", "")
    config = ContainerConfig(environment=environment, shell=shell, user=user)
    own = Platform.parse(asked["platform"]) if "platform" in asked else platform
    return Image.compose(ImageConfig(own, config), ())


def checked(case: Path, context: Path) -> str:
    """What ``minibuild check`` prints of a case, whose files are made in ``context``.

    Of options.json, ``bases`` are known images, ``files`` the sizes of a context's files, ``ignore`` its ignore file,
    ``tools`` the words of --target.
    """
    file = case / "options.json"
    asked = json.loads(file.read_text()) if file.exists() else {}
    for path, size in asked.get("files", {}).items():
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        with (context / path).open("wb") as stream:
            stream.truncate(size)
    unknown: set[str] = set()

    def lookup(name: str, platform: Platform, _span: object) -> Image:
        if name not in asked.get("bases", {}):
            unknown.add(name)
            return Image.scratch(platform)
        return image(asked["bases"][name], platform)

    source = Source("Dockerfile", (case / "Dockerfile").read_bytes().decode("utf-8", "surrogateescape"))
    arguments = asked.get("build_arguments", {})
    ignore = IgnoreFile.parse(Source(".dockerignore", asked["ignore"])) if "ignore" in asked else NOTHING_IGNORED
    options = Options(arguments, asked.get("target", ""), AMD64, build_platform=AMD64, all_stages=True)
    dockerfile = read(source)
    window = window_on(ignore, DirectoryContext(context, ignore))
    subject = Subject(dockerfile, plan(dockerfile, lookup, options), arguments, window, frozenset(unknown))
    tools = (PORTABILITY[tool] for tool in asked.get("tools", ()))
    report = Report(source, "Dockerfile", examine(subject, (*CHECKS, *ADVICE, *tools)))
    return as_text(report, Session(Path(), {}, io.StringIO(), io.StringIO())) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_dockerfile_gives_the_findings_beside_it(case: Path, tmp_path: Path) -> None:
    text = checked(case, tmp_path)
    if UPDATE:
        (case / "expected.txt").write_text(text)
    assert text == (case / "expected.txt").read_text()


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_has_a_case_that_it_finds_and_a_near_miss(rule: str) -> None:
    texts = [(case / "expected.txt").read_text() for case in CASES if case.parent.name == rule]
    assert {f"({rule})" in text for text in texts} == {True, False}


def test_every_finding_has_a_rule_in_a_table() -> None:
    package = ROOT.parent.parent / "minibuild"
    made = {name for file in package.rglob("*.py") for name in re.findall(r'\bFinding\(\s*"(\w+)"', file.read_text())}
    assert made <= rules().keys()


def test_cases_stand_under_rules_that_there_are() -> None:
    assert {case.parent.name for case in CASES} == set(RULES)
