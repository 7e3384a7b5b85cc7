"""What a check found, in the formats of machines: BuildKit's JSON, GitHub's commands, SARIF 2.1.0."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from minibuild.cli.rules import rules
from tests.cli.conftest import Shell

TEXT = "FROM a AS App\nUSER 1\nRUN pip install --no-cache-dir ä==1 \\\n b\n"
TOKEN = f"ghp_{'0aB1cD2eF3' * 4}"


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A context below the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my app").mkdir()
    (tmp_path / "my app" / "Dockerfile").write_text(TEXT)
    return tmp_path / "my app"


def test_json_is_of_buildkits_shape_with_hints(shell: Shell, context: Path) -> None:
    done = shell("check", "--format=json", str(context))
    document = json.loads(done.out)
    assert (done.status, document.keys()) == (1, {"warnings", "sources"})
    assert document["sources"] == [{"filename": "Dockerfile", "data": base64.b64encode(TEXT.encode()).decode()}]
    assert document["warnings"][0] == {
        "ruleName": "StageNameCasing",
        "description": "names of stages are in lower case",
        "url": "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/",
        "detail": "stage name App is kept in lower case",
        "hint": "write app",
        "location": {"ranges": [{"start": {"line": 1, "character": 11}, "end": {"line": 1, "character": 14}}]},
    }


def test_json_has_all_errors_and_the_first_where_buildkit_has_it(shell: Shell, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM a\nCPY x /x\nUSER\n")
    document = json.loads(shell("check", "--format=json", str(context)).out)
    assert [error["location"]["ranges"][0]["start"]["line"] for error in document["errors"]] == [2, 3]
    assert document["buildError"] == document["errors"][0]
    assert document["buildError"]["hint"] == "did you mean COPY?"


def test_github_is_told_in_its_own_commands(shell: Shell, context: Path) -> None:
    done = shell("check", "--format=github", str(context))
    style, pin = (line.rpartition("::") for line in done.out.splitlines())
    assert style == (
        "::warning file=my app/Dockerfile,line=1,endLine=1,col=11,title=StageNameCasing",
        "::",
        "stage name App is kept in lower case; write app",
    )
    assert pin[0] == "::warning file=my app/Dockerfile,line=3,endLine=4,col=5,title=UnpinnedInstall"


def test_github_is_told_nothing_where_there_is_nothing(shell: Shell, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM a\n")
    assert (shell("check", "--format=github", str(context)).out, shell("check", str(context)).out) == (
        "",
        "0 findings\n",
    )


def test_sarif_has_what_its_schema_requires(shell: Shell, context: Path) -> None:
    log = json.loads(shell("check", "--format=sarif", str(context)).out)
    assert (log["version"], log["$schema"]) == ("2.1.0", "https://json.schemastore.org/sarif-2.1.0.json")
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "minibuild"
    assert [rule["id"] for rule in driver["rules"]] == [*rules(), "DockerfileError"]
    assert all(is_rule(rule) for rule in driver["rules"])
    assert run["columnKind"] == "unicodeCodePoints"
    assert all(is_result(result, run) for result in run["results"])
    assert run["artifacts"] == [{"location": {"uri": "my%20app/Dockerfile"}}]


def is_rule(rule: dict[str, Any]) -> bool:
    """A reportingDescriptor: ``id`` is required, each text is a multiformatMessageString, a URI is absolute."""
    texts = [rule["shortDescription"]["text"], rule["help"]["text"]]
    return (
        all(isinstance(text, str) and text for text in texts)
        and rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
        and re.fullmatch(r"https://\S+", rule.get("helpUri", "https://x")) is not None
        and all(isinstance(tag, str) for tag in rule["properties"]["tags"])
    )


def is_result(result: dict[str, Any], run: dict[str, Any]) -> bool:
    """A result: ``message`` is required; its rule is that of its index, its artifact too; lines and columns from 1."""
    [place] = [location["physicalLocation"] for location in result["locations"]]
    artifact, region = place["artifactLocation"], place.get("region", {})
    return (
        isinstance(result["message"]["text"], str)
        and result["level"] in ("none", "note", "warning", "error")
        and run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        and run["artifacts"][artifact["index"]]["location"]["uri"] == artifact["uri"]
        and all(isinstance(number, int) and number >= 1 for number in region.values())
    )


def test_sarif_regions_end_behind_the_last_character_in_code_points(shell: Shell, context: Path) -> None:
    [run] = json.loads(shell("check", "--format=sarif", str(context)).out)["runs"]
    found = {each["ruleId"]: each["locations"][0]["physicalLocation"].get("region") for each in run["results"]}
    assert found == {
        "StageNameCasing": {"startLine": 1, "startColumn": 11, "endLine": 1, "endColumn": 14},
        "UnpinnedInstall": {"startLine": 3, "startColumn": 5, "endLine": 4, "endColumn": 3},
    }


def test_sarif_tells_errors_and_what_has_no_place(shell: Shell, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM a\nCPY x /x\nUSER\n")
    [run] = json.loads(shell("check", "--format=sarif", str(context)).out)["runs"]
    assert [(each["ruleId"], each["level"]) for each in run["results"]] == [("DockerfileError", "error")] * 2
    (context / "Dockerfile").write_text("FROM a\n")
    [run] = json.loads(shell("check", "--format=sarif", "--build-arg=X=1", str(context)).out)["runs"]
    assert "region" not in run["results"][0]["locations"][0]["physicalLocation"]


@pytest.mark.parametrize("style", ["text", "github", "sarif"])
def test_no_report_repeats_a_token(shell: Shell, context: Path, style: str) -> None:
    (context / "Dockerfile").write_text(f"FROM a\nCOPY --chmod=1 x /{TOKEN}/\nRUN chmod -R 7 /{TOKEN}\nENV A={TOKEN}\n")
    done = shell("check", f"--format={style}", str(context))
    assert "SecretsInLayers" in done.out
    assert TOKEN not in done.out


@pytest.mark.parametrize(
    ("rule", "url"),
    [
        ("JSONArgsRecommended", "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"),
        ("SecretsUsedInArgOrEnv", "https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/"),
        ("InvalidDefinitionDescription", "https://docs.docker.com/go/dockerfile/rule/invalid-definition-description/"),
        ("RunsAsRoot", ""),
    ],
)
def test_rules_of_buildkit_are_written_about_where_it_writes_about_them(rule: str, url: str) -> None:
    assert rules()[rule].url == url
