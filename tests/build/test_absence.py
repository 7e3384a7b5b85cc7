"""A source that isn't there is told with the reason: absent, left out, written otherwise, or outside."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from minibuild.build.inputs import Access, open_inputs
from minibuild.build.selecting import select
from minibuild.errors import ContextError, Finding
from minibuild.instructions.effects import CopyFiles, SourcePath
from tests.build.test_engine import Bench, bench
from tests.build.test_inputs import packed, tree

__all__ = ["bench"]

OUTSIDE = "name the directory: --build-context NAME=DIRECTORY and COPY --from=NAME, or build from above it"
REASONS = {
    "absent": ("src/ap.py", "src/ap.py", "did you mean src/app.py?"),
    "left out": ("logs/a.log", "logs/a.log", ".dockerignore line 2 (logs) leaves it out"),
    "written otherwise": ("src/APP.py", "src/APP.py", "did you mean src/app.py? capitals and small letters differ"),
    "outside": ("../src/x", "../src/x is outside the context", OUTSIDE),
    "absent, in a directory that is left out": ("logs/b", "logs/b", ".dockerignore line 2 (logs) leaves it out"),
    "absent, with a directory": ("scr/app.py", "scr/app.py", "did you mean src?"),
}


def said(path: str, message: str, where: str) -> str:
    return message if message.endswith("outside the context") else f"{path} is not in {where}"


@pytest.mark.parametrize(("path", "message", "hint"), REASONS.values(), ids=REASONS)
def test_a_source_of_the_context(bench: Bench, path: str, message: str, hint: str) -> None:
    tree(bench.context, "src/app.py", "logs/a.log")
    bench.write(**{".dockerignore": "# logs\nlogs\n"})
    with pytest.raises(ContextError) as caught:
        bench.build(f"FROM scratch\nCOPY {path} /\n")
    assert (caught.value.message, caught.value.hint) == (said(path, message, "the context"), hint)
    assert str(caught.value.span) == "Dockerfile:2:6"


@pytest.mark.parametrize(("path", "message", "hint"), REASONS.values(), ids=REASONS)
def test_a_source_of_a_named_context(bench: Bench, tmp_path: Path, path: str, message: str, hint: str) -> None:
    other = tree(tmp_path / "other", "src/app.py", "logs/a.log")
    (other / ".dockerignore").write_text("# logs\nlogs\n")
    with pytest.raises(ContextError) as caught:
        bench.build(f"FROM scratch\nCOPY --from=o {path} /\n", named_contexts={"o": str(other)})
    assert (caught.value.message, caught.value.hint) == (said(path, message, "the context 'o'"), hint)


@pytest.mark.parametrize(
    ("path", "hint"),
    [("src/ap.py", "did you mean src/app.py?"), ("Logs", "did you mean logs? capitals and small letters differ")],
)
def test_a_path_of_a_tarball(path: str, hint: str) -> None:
    content = packed(**{"Dockerfile": "FROM scratch\n", "src/app.py": "", "logs/a.log": "", ".dockerignore": "logs\n"})
    with open_inputs("-", "", Access(stdin=io.BytesIO(content))) as inputs:
        assert inputs.context.find("logs/a.log") is not None
        assert inputs.context.explain_absence(path) == hint


ALONE = "the context, standard input, is a Dockerfile, so there are no files to copy"


def told_of(pattern: str) -> list[Finding]:
    """What is told of a source beside a Dockerfile that came alone on standard input."""
    told: list[Finding] = []
    with open_inputs("-", "", Access(stdin=io.BytesIO(b"FROM scratch\n"))) as inputs:
        context = inputs.context
        effect = CopyFiles((SourcePath(pattern),), "/")
        select(effect, context, explain_absence=context.explain_absence, report=told.append)
    return told


def test_a_source_beside_a_dockerfile_that_came_alone() -> None:
    with pytest.raises(ContextError) as caught:
        told_of("app.py")
    assert caught.value.hint == ALONE


def test_a_whole_context_beside_a_dockerfile_that_came_alone() -> None:
    assert told_of("") == [Finding("NoMatch", "nothing is copied", None, ALONE)]
