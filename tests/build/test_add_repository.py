"""ADD of git repositories, out of a real one that a web server serves."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from minibuild.errors import ContextError
from tests.build.test_engine import Bench
from tests.machine import require


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_words: object) -> None:
        pass


@dataclass
class Repository:
    """A repository of two commits, the first of them tagged v1, on the branch main."""

    root: Path
    url: str = ""
    first: str = ""

    def git(self, *words: str, date: str = "") -> str:
        """What git prints, as somebody with a name, at a date."""
        identity = {
            "GIT_AUTHOR_NAME": "n",
            "GIT_AUTHOR_EMAIL": "e",
            "GIT_COMMITTER_NAME": "n",
            "GIT_COMMITTER_EMAIL": "e",
        }
        dated = {"GIT_COMMITTER_DATE": date} if date else {}
        environment = os.environ | identity | dated | {"GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            ["git", *words], cwd=self.root, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, text: str, date: str = "") -> str:
        """Changes a file, makes it known to web servers, and answers the commit."""
        (self.root / "docs").mkdir(exist_ok=True)
        (self.root / "docs" / "f").write_text(text)
        self.git("add", "docs")
        self.git("commit", "-qm", text, date=date)
        self.git("update-server-info")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    require("git")
    (tmp_path / "work").mkdir()
    repository = Repository(tmp_path / "work")
    repository.git("init", "-q", "-b", "main")
    repository.first = repository.commit("one")
    repository.git("tag", "v1")
    repository.commit("two")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "r.git").symlink_to(repository.root / ".git")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "site")))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    repository.url = f"http://127.0.0.1:{server.server_port}/r.git"
    yield repository
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    (tmp_path / "context").mkdir()
    return Bench(tmp_path / "context", tmp_path / "store")


@pytest.mark.parametrize(
    ("address", "files"),
    [
        ("", {"n/docs/f": "two"}),
        ("#v1", {"n/docs/f": "one"}),
        ("#main:docs", {"n/f": "two"}),
        ("?tag=v1&subdir=docs", {"n/f": "one"}),
    ],
)
def test_files_are_those_of_the_commit(
    bench: Bench, repository: Repository, address: str, files: dict[str, str]
) -> None:
    image = bench.build(f"FROM scratch\nADD {repository.url}{address} /n\n").image
    tree = bench.tree(image)
    assert {entry.path for entry in tree.walk("n") if not tree.children(entry.path)} == set(files)
    assert {path: bench.read(image, path) for path in files} == files
    assert {entry.mode & 0o777 for entry in tree.walk("n")} <= {0o644, 0o755}


def test_the_git_directory_is_kept_if_asked_for(bench: Bench, repository: Repository) -> None:
    image = bench.build(f"FROM scratch\nADD --keep-git-dir {repository.url} /n\n").image
    assert bench.tree(image).find("n/.git/HEAD") is not None


def test_a_step_is_cached_until_the_branch_moves(bench: Bench, repository: Repository) -> None:
    dockerfile = f"FROM scratch\nADD {repository.url}#main /n\n"
    bench.build(dockerfile)
    assert bench.build(dockerfile).cached == 1
    repository.commit("three")
    moved = bench.build(dockerfile)
    assert (moved.cached, bench.read(moved.image, "n/docs/f")) == (0, "three")


def test_a_checksum_is_the_commit_s(bench: Bench, repository: Repository) -> None:
    right = f"FROM scratch\nADD --checksum={repository.first} {repository.url}#v1 /n\n"
    assert bench.read(bench.build(right).image, "n/docs/f") == "one"
    assert bench.build(right).cached == 1
    with pytest.raises(ContextError) as caught:
        bench.build(f"FROM scratch\nADD --checksum={repository.first} {repository.url}#main /n\n")
    assert caught.value.span is not None and caught.value.span.line == 2


def test_nothing_of_a_checkout_is_left_behind(bench: Bench, repository: Repository) -> None:
    bench.build(f"FROM scratch\nADD {repository.url} /n\n")
    import gc

    gc.collect()
    assert list((bench.root / "tmp").iterdir()) == []


def test_a_build_may_be_as_old_as_a_stage_s_commit(bench: Bench, repository: Repository) -> None:
    text = f"FROM scratch AS source\nARG AT=main\nADD {repository.url}#$AT /\nFROM scratch\n"
    text += "ARG SOURCE_DATE_EPOCH\nLABEL epoch=$SOURCE_DATE_EPOCH\n"
    arguments = {"SOURCE_DATE_EPOCH": "source", "AT": "v1"}
    image = bench.build(text, build_arguments=arguments).image
    assert image.config.config.labels["epoch"] == repository.git("show", "-s", "--format=%ct", "v1")


@pytest.mark.parametrize(("query", "is_dated"), [("", True), ("?mtime=commit", True), ("?mtime=checkout", False)])
def test_a_build_may_be_as_old_as_its_context_s_commit(
    bench: Bench, repository: Repository, query: str, is_dated: bool
) -> None:
    text = "FROM scratch\nCOPY docs /\nARG SOURCE_DATE_EPOCH\nLABEL epoch=$SOURCE_DATE_EPOCH\n"
    (repository.root / "Dockerfile").write_text(text)
    repository.git("add", "Dockerfile")
    repository.commit("three", date="1234567890 +0000")
    arguments = {"SOURCE_DATE_EPOCH": "context"}
    image = bench.build("", context=repository.url + query, build_arguments=arguments).image
    assert (image.config.config.labels["epoch"] == "1234567890") is is_dated
