"""What the cache keeps and what breaks it, seen as a person sees it: lines that say CACHED."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.command import Minibuild
from tests.end_to_end.conftest import Project

pytestmark = pytest.mark.e2e

DOCKERFILE = """\
FROM busybox AS tools
RUN echo tool > /tool

FROM busybox
ARG VERSION=1
COPY --from=tools /tool /tool
COPY first.txt /
RUN cat /first.txt > /copy-of-first
COPY second.txt /
RUN echo $VERSION > /version
LABEL done=yes
"""
FILES = {"Dockerfile": DOCKERFILE, "first.txt": "one\n", "second.txt": "two\n"}


def ran(log: str) -> set[str]:
    """The instructions of a plain log that were carried out, not cached (those that change no file never are)."""
    titles = dict(re.findall(r"^#(\d+) \[(?:[\w-]+ )?\d+/\d+\] (.+)$", log, re.MULTILINE))
    done = set(re.findall(r"^#(\d+) DONE", log, re.MULTILINE))
    return {title for number, title in titles.items() if number in done and title.startswith(("RUN", "COPY"))}


def build(builder: Minibuild, *arguments: str) -> str:
    """Builds with plain progress and answers the log."""
    done = builder("build", "--progress=plain", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_an_unchanged_build_runs_nothing(builder: Minibuild, project: Project) -> None:
    root = str(project(FILES))
    assert len(ran(build(builder, root))) == 6
    log = build(builder, root)
    assert ran(log) == set()
    assert log.count("CACHED") >= 5


def test_a_changed_file_runs_again_from_its_copy_on(builder: Minibuild, project: Project) -> None:
    build(builder, str(project(FILES)))
    log = build(builder, str(project({"second.txt": "changed\n"})))
    assert ran(log) == {"COPY second.txt /", "RUN echo $VERSION > /version"}


def test_a_touched_file_is_the_same_file(builder: Minibuild, project: Project) -> None:
    root = project(FILES)
    build(builder, str(root))
    (root / "first.txt").touch()
    assert ran(build(builder, str(root))) == set()


def test_an_argument_runs_again_what_uses_it(builder: Minibuild, project: Project) -> None:
    root = str(project(FILES))
    build(builder, root)
    assert "RUN echo $VERSION > /version" in ran(build(builder, root, "--build-arg", "VERSION=2"))


def test_a_label_does_not_break_the_cache_of_a_later_run(builder: Minibuild, project: Project) -> None:
    build(builder, str(project(FILES)))
    labelled = DOCKERFILE.replace("COPY first.txt", "LABEL revision=abc\nCOPY first.txt")
    assert ran(build(builder, str(project({"Dockerfile": labelled})))) == set()


def test_no_cache_runs_everything(builder: Minibuild, project: Project) -> None:
    root = str(project(FILES))
    first = ran(build(builder, root))
    assert ran(build(builder, root, "--no-cache")) == first


def test_no_cache_filter_runs_one_stage_and_what_its_change_touches(builder: Minibuild, project: Project) -> None:
    root = str(project(FILES))
    build(builder, root)
    log = build(builder, root, "--no-cache-filter", "tools")
    # The tool came out the same, so nothing that copies it has to run.
    assert ran(log) == {"RUN echo tool > /tool"}


def test_stages_that_the_target_does_not_need_are_skipped(builder: Minibuild, project: Project) -> None:
    text = f"FROM busybox AS unneeded\nRUN false\n\n{DOCKERFILE}"
    assert "RUN false" not in build(builder, str(project(FILES | {"Dockerfile": text})))


def test_another_store_does_not_know_the_steps(builder: Minibuild, project: Project) -> None:
    root = project(FILES)
    build(builder, str(root))
    other = Minibuild(builder.root.with_name("other"), builder.environment)
    assert len(ran(build(other, str(root)))) == 6


def test_blobs_that_vanished_are_made_again(builder: Minibuild, project: Project) -> None:
    root = str(project(FILES))
    builder.succeed("build", "-t", "whole", root)
    blobs = sorted((builder.root / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for blob in blobs[-6:]:
        blob.unlink()
    build(builder, "-t", "mended", root)
    assert builder.succeed("run", "--rm", "mended", "cat", "/tool", "/copy-of-first", "/version") == "tool\none\n1\n"


def test_a_store_without_its_trees_builds_on(builder: Minibuild, project: Project) -> None:
    build(builder, str(project(FILES)))
    shutil.rmtree(builder.root / "snapshots")
    log = build(builder, "-t", "carried", str(project({"second.txt": "changed\n"})))
    assert ran(log) == {"COPY second.txt /", "RUN echo $VERSION > /version"}
    assert builder.succeed("run", "--rm", "carried", "cat", "/copy-of-first", "/version") == "one\n1\n"
