"""``minibuild build --call``: what is told instead of building, in buildx's words and shapes."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

DOCKERFILE = """\
# build compiles
FROM golang AS build
# LEVEL how much to optimize
ARG LEVEL=2
RUN --mount=type=secret,id=token,required --mount=type=ssh --mount=type=cache,target=/c make
# app the program alone
FROM scratch AS app
COPY --from=build /p /p
"""


@pytest.fixture
def place(tmp_path: Path) -> str:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return str(tmp_path)


def test_targets_are_listed_as_buildx_lists_them(shell: Shell, place: str) -> None:
    done = shell("build", "--call=targets", place)
    assert done.out == "TARGET        DESCRIPTION\nbuild         compiles\napp (default) the program alone\n"


def test_an_outline_is_told_as_buildx_tells_it(shell: Shell, place: str) -> None:
    assert shell("build", "--call=outline", "--build-arg=LEVEL=3", place).out == (
        "TARGET:      app\nDESCRIPTION: the program alone\n\n"
        "BUILD ARG   VALUE   DESCRIPTION\nLEVEL       3       how much to optimize\n\n"
        "SECRET   REQUIRED\ntoken    true\n\n"
        "SSH       REQUIRED\ndefault\n\n"
        "CACHE MOUNT\n/c\n\n"
    )


def test_targets_in_json_have_buildkits_shape(shell: Shell, place: str) -> None:
    document = json.loads(shell("build", "--call=targets,format=json", place).out)
    locations = [target.pop("location")["ranges"][0]["start"]["line"] for target in document["targets"]]
    assert document["targets"] == [
        {"name": "build", "description": "compiles", "base": "golang"},
        {"name": "app", "default": True, "description": "the program alone", "base": "scratch"},
    ]
    assert locations == [2, 7]
    assert base64.b64decode(document["sources"][0]).decode() == DOCKERFILE


def test_an_outline_in_json_has_buildkits_shape(shell: Shell, place: str) -> None:
    document = json.loads(shell("build", "--print", "outline,format=json", place).out)
    for each in (*document["args"], *document["secrets"], *document["ssh"], *document["cache"]):
        assert each.pop("location")["ranges"]
    assert {name: value for name, value in document.items() if name != "sources"} == {
        "name": "app",
        "description": "the program alone",
        "args": [{"name": "LEVEL", "description": "how much to optimize", "value": "2"}],
        "secrets": [{"name": "token", "required": True}],
        "ssh": [{"name": "default"}],
        "cache": [{"ID": "/c"}],
    }


@pytest.mark.parametrize("words", [["--check"], ["--call=check"], ["--call", "check,format=json"]])
def test_a_check_is_that_of_minibuild_check(shell: Shell, place: str, words: list[str]) -> None:
    (Path(place) / "Dockerfile").write_text("FROM scratch as app\n")
    done = shell("build", *words, place)
    assert (done.status, "FromAsCasing" in done.out) == (1, True)
    form = ["--format=json"] if "json" in words[-1] else []
    assert done.out == shell("check", *form, place).out


def test_the_status_of_a_check_may_be_ignored(shell: Shell, place: str) -> None:
    (Path(place) / "Dockerfile").write_text("FROM scratch as app\n")
    assert shell("build", "--call=check,ignorestatus", place).status == 0
    assert shell("build", "--call=check,ignorestatus=false", place).status == 1


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("outlin", "error: --call knows no 'outlin'\nhint: did you mean outline?\n"),
        ("lint", "error: --call knows no 'lint'\nhint: choose from build, check, targets, outline\n"),
        ("targets,format=xml", "error: --call=targets has no format 'xml'\nhint: choose from text, json\n"),
        ("targets,from=json", "error: --call has no 'from=json'\nhint: did you mean format?\n"),
        ("build,format=json", "error: --call 'build,format=json' has options, and build takes none\n"),
    ],
)
def test_what_can_not_be_called_is_refused(shell: Shell, place: str, words: str, error: str) -> None:
    done = shell("build", f"--call={words}", place)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(error)
