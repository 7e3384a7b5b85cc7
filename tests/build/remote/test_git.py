"""A commit comes as its files, whatever the address says, and nothing in it leads out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.build.remote.git import Checkout, Git
from minibuild.errors import ContextError
from minibuild.instructions.git_place import GitPlace, is_git, parse_place
from minibuild.runtimes.base import Cancellation
from tests.machine import require
from tests.servers.repositories import commit, git, serving


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("https://h/o/r.git", GitPlace("https://h/o/r.git")),
        ("https://h/o/r.git#v1:sub/d", GitPlace("https://h/o/r.git", ref="v1", directory="sub/d")),
        ("https://h/r.git#:sub", GitPlace("https://h/r.git", directory="sub")),
        ("https://u:p@h/r.git", GitPlace("https://h/r.git", credentials="u:p")),
        ("git@h:o/r.git#dev", GitPlace("git@h:o/r.git", ref="dev")),
        ("ssh://git@h:22/o/r", GitPlace("ssh://git@h:22/o/r")),
        ("github.com/o/r#main", GitPlace("https://github.com/o/r", ref="main")),
        ("https://h/r.git?branch=x&subdir=d", GitPlace("https://h/r.git", ref="refs/heads/x", directory="d")),
        ("https://h/r.git?tag=v1", GitPlace("https://h/r.git", ref="refs/tags/v1")),
        ("https://h/r.git?commit=abcdef1&keep-git-dir", GitPlace("https://h/r.git", commit="abcdef1", keeps_git=True)),
        ("https://h/r.git?submodules=false", GitPlace("https://h/r.git", submodules=False)),
    ],
)
def test_an_address_says_remote_ref_directory_and_more(word: str, place: GitPlace) -> None:
    assert is_git(word)
    assert parse_place(word) == place


@pytest.mark.parametrize("word", [".", "src", "https://h/app.tar.gz", "https://h/r", "a@b", "C:\\x", "app.git"])
def test_other_words_are_no_git_addresses(word: str) -> None:
    assert not is_git(word)


@pytest.mark.parametrize(
    "word",
    [
        "git://h/r#--upload-pack=cmd:",
        "git://h/r#-u",
        "ssh://-oProxyCommand=x/r",
        "git@h:-x",
        "https://h/r.git#main:../../etc",
        "https://h/r.git#a..b",
        "https://h/r.git?subdir=a/../../b",
        "https://h/r.git?branch=a&tag=b",
        "https://h/r.git?brnch=a",
        "https://h/r.git?commit=zz",
        "https://h/r.git?submodules=perhaps",
        "https://h/r.git#x\ny",
    ],
)
def test_addresses_that_could_be_attacks_are_refused(word: str) -> None:
    with pytest.raises(ContextError):
        parse_place(word)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    require("git")
    repository = tmp_path / "served" / "app"
    commit(repository, {"Dockerfile": "FROM scratch\n", "sub/a": "old"})
    git(repository, "tag", "-a", "-m", "one", "v1")
    commit(repository, {"sub/a": "new"})
    git(repository, "branch", "dev")
    (repository / "sub" / "out").symlink_to("/")
    commit(repository, {"sub/b": "b"})
    with serving(tmp_path / "served") as address:
        yield address


def fetched(address: str, directory: Path, *, keep_git: bool = False) -> Checkout:
    return Git({}, Cancellation()).check_out(parse_place(address), directory, keep_git=keep_git)


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("fragment", "content"),
    [
        ("", "new"),
        ("#dev", "new"),
        ("#v1", "old"),
        ("?tag=v1", "old"),
        ("#refs/tags/v1", "old"),
        ("?branch=dev", "new"),
    ],
)
def test_a_ref_gives_its_files_without_git_s_own(base: str, tmp_path: Path, fragment: str, content: str) -> None:
    checkout = fetched(f"{base}/app{fragment}", tmp_path)
    assert (checkout.root / "sub" / "a").read_text() == content
    assert not (checkout.root / ".git").exists()


@pytest.mark.e2e
@pytest.mark.parametrize("length", [40, 10])
def test_a_commit_can_be_named_itself_or_by_its_start(base: str, tmp_path: Path, length: int) -> None:
    wanted = git(tmp_path / "served" / "app", "rev-parse", "v1^{commit}")
    checkout = fetched(f"{base}/app#{wanted[:length]}", tmp_path)
    assert (checkout.commit, (checkout.root / "sub" / "a").read_text()) == (wanted, "old")


@pytest.mark.e2e
def test_a_directory_is_the_root_and_a_link_out_of_it_is_refused(base: str, tmp_path: Path) -> None:
    assert (fetched(f"{base}/app#v1:sub", tmp_path).root / "a").read_text() == "old"
    with pytest.raises(ContextError, match="leads out"):
        fetched(f"{base}/app#main:sub/out", tmp_path)
    with pytest.raises(ContextError, match="there is no 'nowhere'"):
        fetched(f"{base}/app#main:nowhere", tmp_path)


@pytest.mark.e2e
def test_a_commit_that_is_not_the_one_that_was_pinned_is_refused(base: str, tmp_path: Path) -> None:
    wanted = git(tmp_path / "served" / "app", "rev-parse", "v1^{commit}")
    assert fetched(f"{base}/app?ref=v1&commit={wanted[:12]}", tmp_path).commit == wanted
    with pytest.raises(ContextError, match=f"wanted {wanted[:12]}"):
        fetched(f"{base}/app?ref=main&commit={wanted[:12]}", tmp_path)


@pytest.mark.e2e
def test_git_s_own_directory_is_kept_on_request(base: str, tmp_path: Path) -> None:
    kept = fetched(f"{base}/app", tmp_path, keep_git=True)
    assert git(kept.root, "log", "--format=%H") == kept.commit
    assert git(kept.root, "status", "--short") == ""


@pytest.mark.e2e
def test_a_ref_that_is_not_there_is_answered_with_what_is(base: str, tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="no branch or tag 'dve'") as caught:
        fetched(f"{base}/app#dve", tmp_path)
    assert caught.value.hint == "did you mean dev?"
    with pytest.raises(ContextError, match="can't be fetched by git"):
        fetched(f"{base}/nothing", tmp_path)


@pytest.mark.e2e
def test_submodules_come_along(base: str, tmp_path: Path) -> None:
    commit(tmp_path / "served" / "library", {"lib": "lib"})
    git(tmp_path / "served" / "app", "submodule", "add", "-q", f"{base}/library", "lib")
    commit(tmp_path / "served" / "app", {})
    checkout = fetched(f"{base}/app", tmp_path)
    assert (checkout.root / "lib" / "lib").read_text() == "lib"
    assert not list(checkout.root.rglob(".git"))


@pytest.mark.e2e
def test_a_repository_of_this_machine_is_not_asked_not_even_as_a_submodule(base: str, tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="which is not allowed"):
        fetched(f"file://{tmp_path}/served/app.git", tmp_path)
    commit(tmp_path / "served" / "library", {"lib": "lib"})
    git(tmp_path / "served" / "app", "submodule", "add", "-q", str(tmp_path / "served" / "library"), "lib")
    commit(tmp_path / "served" / "app", {})
    with pytest.raises(ContextError, match="not allowed"):
        fetched(f"{base}/app", tmp_path)


@pytest.mark.e2e
def test_a_cancelled_fetch_is_an_interrupt(base: str, tmp_path: Path) -> None:
    cancellation = Cancellation()
    cancellation.set()
    with pytest.raises(KeyboardInterrupt):
        Git({}, cancellation).check_out(parse_place(f"{base}/app"), tmp_path)
