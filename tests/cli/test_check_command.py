"""``minibuild check``: its findings, its formats, its exit code; no base is ever looked up."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

UPDATE = "FROM debian\nRUN apt-get update\n"


def rules(shell: Shell, tmp_path: Path, text: str) -> set[str]:
    """The rules that a Dockerfile breaks."""
    (tmp_path / "Dockerfile").write_text(text)
    return {each["ruleName"] for each in json.loads(shell("check", "--format=json", str(tmp_path)).out)["warnings"]}


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


def test_github_is_told_in_its_own_commands(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a\nUSER 1\nCMD x\n")
    done = shell("check", "--format=github", str(tmp_path))
    assert done.status == 1
    assert done.out == (
        f"::warning file={tmp_path}/Dockerfile,line=3,col=1,title=JSONArgsRecommended::CMD in shell form runs under "
        'a shell that passes no signals on; write CMD ["program", "argument"]\n'
    )


def test_nothing_to_mend_is_zero_and_an_error_is_one(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert shell("check", str(tmp_path)).status == 0
    (tmp_path / "Dockerfile").write_text("FRM scratch\n")
    assert shell("check", str(tmp_path)).status == 1
