"""``minibuild check``: its findings, its words, its exit code; bases are looked up in the store alone."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from minibuild.oci import Image
from tests.cli.conftest import Shell

UPDATE = "FROM debian\nRUN apt-get update\n"


def rules(shell: Shell, tmp_path: Path, text: str, *words: str) -> set[str]:
    """The rules that a Dockerfile breaks."""
    (tmp_path / "Dockerfile").write_text(text)
    return {
        each["ruleName"] for each in json.loads(shell("check", "--format=json", *words, str(tmp_path)).out)["warnings"]
    }


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        (UPDATE, {"StaleIndex"}),
        ("FROM a\nRUN apt-get update && apt-get install -y x=1 && rm -rf /var/lib/apt/lists/*\n", set()),
        ("FROM a\nRUN apt-get update && apt-get install -y x=1\n", {"PackageCacheKept"}),
        ("FROM a\nRUN apk add --no-cache curl\n", {"UnpinnedInstall"}),
        ("FROM a\nCOPY . .\nRUN go mod download\n", {"OrderBreaksCache"}),
        ("FROM a\nCOPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\n", set()),
        ("FROM a\nRUN a\nRUN b\n", {"ManyLayers"}),
        ("FROM a\nCOPY x /app/\nRUN chown -R app:app /app\n", {"ChownDoublesLayer"}),
        ("FROM a\nCOPY --chown=app:app x /app/\nRUN chown -R app:app /srv\n", set()),
        ("FROM a\nENV B=$OF_THE_BASE\n", set()),
    ],
)
def test_each_rule_is_heard_where_it_should(shell: Shell, tmp_path: Path, text: str, broken: set[str]) -> None:
    assert rules(shell, tmp_path, text) == broken


def test_the_lines_to_swap_and_to_write_are_named(shell: Shell, tmp_path: Path) -> None:
    text = "FROM a\nCOPY . .\nRUN apt-get install -y x=1\nCOPY y /srv/\nRUN chown -R u:g /srv\n"
    (tmp_path / "Dockerfile").write_text(text)
    out = shell("check", str(tmp_path)).out
    assert "move line 3 above line 2" in out
    assert "write line 4 as COPY --chown=u:g y /srv/" in out


def test_nothing_to_mend_is_zero_and_an_error_is_one(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert shell("check", str(tmp_path)).status == 0
    (tmp_path / "Dockerfile").write_text("FRM scratch\n")
    assert shell("check", str(tmp_path)).status == 1


def test_a_dockerfile_may_come_from_standard_input(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"FROM scratch AS App\n"))
    monkeypatch.setattr("sys.stdin", stdin)
    done = shell("check", "-f", "-", str(tmp_path))
    assert (done.status, done.out.partition(" warning")[0]) == (1, "Dockerfile:1:17:")


def test_named_contexts_and_platforms_are_those_of_a_build(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM base AS arm\nCOPY --from=files x /x\n")
    done = shell("check", "--platform=linux/arm64", "--build-context=files=.", str(tmp_path))
    assert (done.status, done.out, done.err) == (0, "0 findings\n", "")


def test_all_stages_are_checked(shell: Shell, tmp_path: Path) -> None:
    assert rules(shell, tmp_path, "FROM a AS idle\nENV A=1 B=$A$C$AA\nRUN apt-get update\nFROM b\n") == {"StaleIndex"}


def test_several_tools_are_named_at_once_or_one_after_the_other(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nCOPY --link x /x\n")
    together = shell("check", "--target=kaniko, podman", str(tmp_path)).out
    apart = shell("check", "--target", "kaniko", "--target=podman", str(tmp_path)).out
    assert together == apart
    assert ("(PortableToKaniko)" in apart, "(PortableToPodman)" in apart, "(PortableToDocker)" in apart) == (
        True,
        True,
        False,
    )


def test_a_tool_or_a_format_that_there_is_none_of_is_refused(shell: Shell, tmp_path: Path) -> None:
    tool = shell("check", "--target=podmann", str(tmp_path))
    style = shell("check", "--format=sariff", str(tmp_path))
    assert (tool.status, tool.err) == (2, "error: a check knows no builder 'podmann'\nhint: did you mean podman?\n")
    assert (style.status, style.err) == (2, "error: a check has no format 'sariff'\nhint: did you mean sarif?\n")


def test_what_needs_no_plan_is_told_beside_the_error(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a AS B\nCOPY --from=b x /x\n")
    done = shell("check", str(tmp_path))
    assert ("(StageNameCasing)" in done.out, done.out.endswith("\n1 finding, 1 error\n")) == (True, True)


def test_a_base_that_the_store_has_is_known(shell: Shell, add: Callable[..., Image], tmp_path: Path) -> None:
    text = 'FROM base:1\nENV A=$OF_NOBODY\nCMD ["a"]\n'
    assert rules(shell, tmp_path, text) == {"RunsAsRoot"}
    add("base:1")  # its user is not root
    assert rules(shell, tmp_path, text, "--platform=linux/amd64") == {"UndefinedVar"}
    assert rules(shell, tmp_path, text, "--platform=linux/arm64") == {"RunsAsRoot"}
    assert rules(shell, tmp_path, text, "--platform=linux/amd64", "--build-context=base:1=.") == {"RunsAsRoot"}


def test_a_check_makes_no_store(shell: Shell, tmp_path: Path) -> None:
    rules(shell, tmp_path, "FROM base:1\n")
    assert not shell.root.exists()
