"""``minibuild verify`` says that a build is reproducible, or which step is not, and ends with 1 then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

DOCKERFILE = "FROM scratch\nCOPY f /f\nLABEL a=1\n"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    root.mkdir()
    (root / "Dockerfile").write_text(DOCKERFILE)
    (root / "f").write_text("one")
    return root


def test_a_reproducible_build_ends_with_0_and_names_the_image(shell: Shell, context: Path) -> None:
    image = shell("build", "-q", "--source-date-epoch=7", str(context)).out.strip()
    done = shell("verify", "--progress=quiet", "--source-date-epoch=7", str(context))
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [
        "reproducible: the first build and the second came to the same image",
        f"image   {image}",
    ]


def test_an_image_that_was_made_of_something_else_names_line_path_field_and_cause(shell: Shell, context: Path) -> None:
    shell("build", "-q", "-t", "app", "--source-date-epoch=7", str(context))
    (context / "f").write_text("ten")
    done = shell("verify", "--progress=quiet", "--against=app", str(context))
    assert (done.status, done.err) == (1, "")
    first, _, _, *rest = done.out.splitlines()
    assert first == "not reproducible: app and this build came to other images"
    assert rest[:4] == [
        "Dockerfile:2:1: layer 1: 1 of 1 entries differ",
        "2 | COPY f /f",
        "  | ^^^^^^^^^",
        "  /f content: sha256:7692c3ad3540 → sha256:e4432baa9081, from byte 0 on",
    ]
    assert rest[-1] == "hint: --all tells all that differs"


def test_programs_are_told_the_step_and_all_that_differs(shell: Shell, context: Path) -> None:
    shell("build", "-q", "-t", "app", "--source-date-epoch=7", str(context))
    (context / "Dockerfile").write_text(DOCKERFILE.replace("a=1", "a=2"))
    done = shell("verify", "--progress=quiet", "--format=json", "--against=app", str(context))
    document = json.loads(done.out)
    assert (done.status, document["reproducible"]) == (1, False)
    assert (document["culprit"]["step"], document["culprit"]["layers"]) == (None, [])
    assert document["culprit"]["configuration"] == [{"field": "config.Labels.a", "left": "1", "right": "2"}]


def test_times_cut_down_are_compared_so(shell: Shell, context: Path) -> None:
    words = ("--source-date-epoch=7", str(context))
    shell("build", "-q", "-t", "app", "-o", "type=image,rewrite-timestamp=true", *words)
    assert shell("verify", "--progress=quiet", "--against=app", str(context)).status == 1
    assert shell("verify", "--progress=quiet", "--rewrite-timestamp", "--against=app", str(context)).status == 0
