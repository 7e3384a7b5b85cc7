"""``minibuild context`` as a user meets it: what a build would have, and why not the rest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.build.test_inputs import packed, tree
from tests.cli.conftest import Shell


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A context of which an ignore file leaves out a directory, a file in another, and brings one back."""
    root = tree(tmp_path / "context", "app.py", "docs/a.md", "docs/b.md", "node_modules/x/y", "src/lib.py")
    (root / ".dockerignore").write_text("node_modules\n**/*.md\n# kept\n!docs/b.md\n")
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "empty").mkdir()
    return root


def test_it_lists_what_a_build_would_have(shell: Shell, context: Path) -> None:
    assert shell("context", str(context)).out == (
        "     39B  .dockerignore\n"
        "     13B  Dockerfile\n"
        "      6B  app.py\n"
        "      9B  docs/b.md\n"
        "          empty/\n"
        "     10B  src/lib.py\n"
        "\n"
        "5 files, 77B\n"
        "most of it in: src/ 10B, docs/ 9B\n"
        "left out by .dockerignore: 2 paths, with all below\n"
    )


def test_it_names_the_line_that_decided_on_each_path(shell: Shell, context: Path) -> None:
    listing = shell("context", "--explain", str(context)).out.partition("\n\n")[0]
    assert listing.splitlines() == [
        "sent      .dockerignore",
        "sent      Dockerfile",
        "sent      app.py",
        "sent      docs/",
        "left out  docs/a.md  .dockerignore:2: **/*.md",
        "sent      docs/b.md  .dockerignore:4: !docs/b.md",
        "sent      empty/",
        "left out  node_modules/  .dockerignore:1: node_modules",
        "sent      src/",
        "sent      src/lib.py",
    ]


def test_a_directory_that_is_left_out_is_there_for_what_is_brought_back(shell: Shell, tmp_path: Path) -> None:
    root = tree(tmp_path / "context", "a/b", "a/c", "d/e")
    (root / ".dockerignore").write_text("*\n!a/b\n")
    assert shell("context", "--explain", str(root)).out.splitlines()[:5] == [
        "left out  .dockerignore  .dockerignore:1: *",
        "sent      a/  .dockerignore:1: *",
        "sent      a/b  .dockerignore:2: !a/b",
        "left out  a/c  .dockerignore:1: *",
        "left out  d/  .dockerignore:1: *",
    ]


def test_the_dockerfile_s_own_ignore_file_goes_before(shell: Shell, context: Path) -> None:
    (context / "ci.Dockerfile.dockerignore").write_text("*.py\n")
    out = shell("context", "--explain", "-f", str(context / "ci.Dockerfile"), str(context)).out
    assert "left out  app.py  ci.Dockerfile.dockerignore:1: *.py\n" in out
    assert "sent      node_modules/x/y\n" in out


def test_what_is_no_file_is_told(shell: Shell, context: Path) -> None:
    os.mkfifo(context / "pipe")
    assert "left out  pipe  no regular file, directory or symlink\n" in shell("context", "--explain", str(context)).out


def test_programs_read_it_as_json(shell: Shell, context: Path) -> None:
    document = json.loads(shell("context", "--explain", "--format", "json", str(context)).out)
    assert {name: value for name, value in document.items() if name != "paths"} == {
        "ignoreFile": ".dockerignore",
        "files": 5,
        "size": 77,
        "leftOut": 2,
    }
    assert document["paths"][4] == {
        "path": "docs/a.md",
        "kind": "file",
        "size": 0,
        "sent": False,
        "rule": {"line": 2, "pattern": "**/*.md"},
    }


def test_a_tarball_has_no_ignore_file(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "c.tar").write_bytes(packed(**{"Dockerfile": "FROM scratch\n", ".dockerignore": "*\n", "d/f": "x"}))
    assert shell("context", str(tmp_path / "c.tar")).out == (
        "      2B  .dockerignore\n     13B  Dockerfile\n      1B  d/f\n\n3 files, 16B\nmost of it in: d/ 1B\n"
    )


def test_a_format_that_there_is_none_of_is_refused(shell: Shell, context: Path) -> None:
    done = shell("context", "--format", "jsn", str(context))
    assert (done.status, done.err.splitlines()) == (
        2,
        ["error: --format knows no 'jsn'", "hint: did you mean json?"],
    )


def test_a_context_without_files_says_why(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    with (tmp_path / "Dockerfile").open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert shell("context", "-").out == (
            "\nthe context, standard input, is a Dockerfile, so there are no files to copy\n"
        )
