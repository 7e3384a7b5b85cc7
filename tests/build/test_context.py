"""The context is what the ignore file leaves of a directory, and never more than the directory."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest

from minibuild.build.context import DirectoryContext
from minibuild.build.ignore import IgnoreFile
from minibuild.errors import ContextError, Finding
from minibuild.layers.pack import pack
from minibuild.source import Source


def tree(root: Path, *paths: str) -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def ignoring(root: Path, text: str) -> DirectoryContext:
    return DirectoryContext(root, IgnoreFile.parse(Source(".dockerignore", text)))


def paths(context: DirectoryContext) -> list[str]:
    return [entry.path for entry in context.walk("")]


def test_ignored_files_are_not_there(tmp_path: Path) -> None:
    context = ignoring(tree(tmp_path, "a.py", "b.md", "d/c.md"), "**/*.md\n")
    assert paths(context) == ["a.py", "d"]
    assert context.find("d/c.md") is None


def test_an_ignored_directory_is_there_for_what_is_brought_back(tmp_path: Path) -> None:
    context = ignoring(tree(tmp_path, "d/keep/x", "d/drop/y", "e/z"), "*\n!d/keep\n")
    assert paths(context) == ["d", "d/keep", "d/keep/x"]


def test_links_out_of_the_context_stay_inside(tmp_path: Path) -> None:
    root = tree(tmp_path / "context", "etc/passwd")
    (root / "abs").symlink_to("/etc/passwd")
    (root / "up").symlink_to("../../../../etc")
    context = DirectoryContext(root)
    found = context.find("abs")
    assert found is not None
    assert context.opener(found)().read() == b"etc/passwd"
    assert context.find("up/passwd") == context.find("etc/passwd")


def test_links_in_a_circle_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert DirectoryContext(tmp_path).find("a") is None


def test_a_link_to_what_is_ignored_leads_nowhere(tmp_path: Path) -> None:
    root = tree(tmp_path, "secret")
    (root / "link").symlink_to("secret")
    assert ignoring(root, "secret\n").find("link") is None


def test_a_fifo_is_left_out_and_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    findings: list[Finding] = []
    context = DirectoryContext(tmp_path, report=findings.append)
    assert context.find("pipe") is None
    assert [finding.rule for finding in findings] == ["SpecialFileInContext"]


def test_what_is_absent_is_explained_by_the_line_that_ignores_it(tmp_path: Path) -> None:
    context = ignoring(tree(tmp_path, "src/app.py"), "# comment\n**/*.py\n")
    assert context.explain_absence("src/app.py") == ".dockerignore line 2 (**/*.py) leaves it out"


def test_what_is_absent_is_explained_by_a_neighbour_of_other_case(tmp_path: Path) -> None:
    assert (
        DirectoryContext(tree(tmp_path, "src/App.py"))
        .explain_absence("src/app.py")
        .startswith("did you mean src/App.py? capitals")
    )


def test_a_path_below_what_is_ignored_is_explained_by_that(tmp_path: Path) -> None:
    context = ignoring(tree(tmp_path, "src/app.py"), "src\n")
    assert context.explain_absence("src/absent.py") == ".dockerignore line 1 (src) leaves it out"


def test_what_is_ignored_is_not_proposed(tmp_path: Path) -> None:
    assert ignoring(tree(tmp_path, "app.py"), "*.py\n").explain_absence("app.pz") == ""


def test_a_link_that_leads_out_is_explained_and_not_followed(tmp_path: Path) -> None:
    root = tree(tmp_path / "context", "a")
    (tree(tmp_path / "outside", "secret") / "link").touch()
    (root / "file").symlink_to(tmp_path / "outside" / "secret")
    (root / "directory").symlink_to(tmp_path / "outside")
    context = DirectoryContext(root)
    assert [context.find(path) for path in ("file", "directory/secret")] == [None, None]
    leads = "which leads to nothing in the context"
    assert context.explain_absence("file") == f"it is a symlink to '{tmp_path}/outside/secret', {leads}"
    assert context.explain_absence("directory/sekret") == f"it is a symlink to '{tmp_path}/outside', {leads}"


def test_names_that_are_no_unicode_are_copied_as_they_are(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("x")
    assert paths(DirectoryContext(tmp_path)) == [os.fsdecode(b"caf\xe9")]


def test_a_file_that_changes_between_its_digest_and_its_copy_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(100_000))
    context = DirectoryContext(tmp_path)
    [entry] = context.walk("")
    context.digest(entry)
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    with pytest.raises(ContextError, match="large changed during the build"):
        pack([(entry, context.opener(entry))], BytesIO())


def test_a_file_that_was_copied_is_not_read_again_for_its_digest(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    context = DirectoryContext(tmp_path)
    [entry] = context.walk("")
    [packed] = pack([(entry, context.opener(entry))], BytesIO()).index.entries
    (tmp_path / "file").unlink()
    assert context.digest(entry) == packed.digest
