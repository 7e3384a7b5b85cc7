"""What checks see of a context, through its ignore file and through a whole build."""

from pathlib import Path

import pytest

from minibuild import DockerfileError, build
from minibuild.build.ignore import IgnoreFile
from minibuild.build.window import window_on
from minibuild.events import Event, Warned
from minibuild.source import Source

WINDOW = window_on(IgnoreFile.parse(Source(".dockerignore", "*.md\na\n!a/b\nc/\n")))


@pytest.mark.parametrize(
    ("path", "line"),
    [("x.md", ".dockerignore line 1 (*.md)"), ("c/d", ".dockerignore line 4 (c/)"), ("a", ""), ("x.py", "")],
)
def test_a_window_names_the_line_that_leaves_a_path_out(path: str, line: str) -> None:
    assert WINDOW.ignored_by(path) == line


def built(tmp_path: Path, text: str, **arguments: str) -> list[str]:
    """The rules that a build tells of."""
    told: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Warned):
            told.append(event.finding.rule)

    (tmp_path / "Dockerfile").write_text(text)
    build(tmp_path, root=tmp_path / "store", progress=hear, build_args=arguments)
    return told


def test_a_build_tells_of_a_source_that_the_ignore_file_leaves_out(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("secret*\n")
    told: list[str] = []
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY secret.txt /\n")
    with pytest.raises(Exception, match=r"secret\.txt"):
        build(
            tmp_path,
            root=tmp_path / "store",
            progress=lambda event: told.append(event.finding.rule) if isinstance(event, Warned) else None,
        )
    assert told == ["CopyIgnoredFile"]


def test_a_strict_dockerfile_is_refused_for_its_findings_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(DockerfileError, match="JSONArgsRecommended"):
        built(tmp_path, "# check=error=true\nFROM scratch\nCMD x\n")


def test_the_build_argument_stands_for_the_directive(tmp_path: Path) -> None:
    text = "# check=error=true\nFROM scratch\nCMD x\n"
    assert built(tmp_path, text, BUILDKIT_DOCKERFILE_CHECK="skip=StageNameCasing") == ["JSONArgsRecommended"]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("FROM scratch\nCOPY *.x /\n", ["NoMatch"]),
        ("# check=skip=NoMatch\nFROM scratch\nCOPY *.x /\n", []),
        ("FROM scratch\n# check=skip=NoMatch\nCOPY *.x /\nCOPY *.y /\n", ["NoMatch"]),
    ],
)
def test_what_is_found_only_while_building_can_be_skipped_too(tmp_path: Path, text: str, rules: list[str]) -> None:
    assert built(tmp_path, text) == rules
