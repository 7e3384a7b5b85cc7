"""Contexts and Dockerfiles from the web and from git repositories, out of real servers on loopback."""

from __future__ import annotations

import os
import subprocess
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from minibuild.build.engine import build
from minibuild.build.inputs import Access, open_inputs
from minibuild.build.request import BuildRequest, BuildResult
from minibuild.build.surroundings import Secret, SshAgent, Surroundings
from minibuild.errors import ContextError, UsageError
from minibuild.events import Event
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store
from tests.build.test_inputs import packed
from tests.machine import require
from tests.servers.files import FileServer
from tests.servers.private import PrivateServer, serving_privately
from tests.servers.registry import RegistryServer, redirects
from tests.servers.repositories import commit, git, serving

SCRATCH = "FROM scratch\n"
TOKEN = "s3cret-of-nobody"


@pytest.fixture
def web() -> Iterator[FileServer]:
    """A web server with a context, as a tarball, and a Dockerfile."""
    files = {
        "/c.tgz": packed(compression="gz", **{"Dockerfile": SCRATCH, ".dockerignore": "a\n", "a": "one"}),
        "/Dockerfile": b"FROM scratch\nLABEL from=web\n",
        "/page": b"<!DOCTYPE html><p>hello",
    }
    with FileServer(files) as server:
        yield server


def test_a_tarball_is_a_context(web: FileServer) -> None:
    with open_inputs(f"{web.url}/c.tgz") as inputs:
        assert inputs.source.text == SCRATCH
        assert inputs.context.find("a") is not None


def test_redirects_are_followed(web: FileServer) -> None:
    web.fail("/moved", redirects(f"{web.url}/c.tgz"))
    with open_inputs(f"{web.url}/moved") as inputs:
        assert inputs.source.text == SCRATCH


def test_a_dockerfile_alone_is_a_context_without_files(web: FileServer) -> None:
    with open_inputs(f"{web.url}/Dockerfile") as inputs:
        assert (inputs.source.name, inputs.context.children("")) == (f"{web.url}/Dockerfile", [])


def test_a_dockerfile_of_the_web_goes_with_a_directory(web: FileServer, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with open_inputs(str(tmp_path), f"{web.url}/Dockerfile") as inputs:
        assert inputs.source.text.endswith("LABEL from=web\n")
        assert inputs.context.find("a") is not None


@pytest.mark.parametrize(
    ("path", "said", "hint"),
    [
        ("/absent", "can't be downloaded: 404", "look for the address in a browser"),
        ("/page", "is a web page, wanted a Dockerfile or a tar", "the address of a git repository ends with .git"),
    ],
)
def test_what_is_no_context_is_refused(web: FileServer, path: str, said: str, hint: str) -> None:
    with pytest.raises(ContextError, match=said) as caught, open_inputs(web.url + path):
        pass
    assert caught.value.hint.startswith(hint)


def test_a_server_that_is_not_there_is_named() -> None:
    url = "http://127.0.0.1:1/c.tgz"
    with pytest.raises(ContextError, match=f"^{url} can't be downloaded"), open_inputs(url):
        pass


def test_a_dockerfile_may_not_be_large(web: FileServer, tmp_path: Path) -> None:
    web.files["/Dockerfile"] = b"#" * (17 << 20)
    words = (str(tmp_path), f"{web.url}/Dockerfile")
    with pytest.raises(ContextError, match="is larger than 16777216 bytes"), open_inputs(*words):
        pass


def test_a_dockerfile_of_the_web_alone_is_not_another(web: FileServer) -> None:
    with pytest.raises(UsageError, match="so -f x can't be the Dockerfile"), open_inputs(f"{web.url}/Dockerfile", "x"):
        pass


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[str]:
    """The address of a repository with a tag v1 and a directory ``sub`` that has a link out of it."""
    require("git")
    root = tmp_path / "served" / "app.git"
    commit(root, {"Dockerfile": SCRATCH, "sub/Dockerfile": "FROM scratch\nLABEL v=1\n", "sub/f": "old"})
    git(root, "tag", "v1")
    (root / "sub" / "out").symlink_to("/etc/passwd")
    commit(root, {"sub/f": "new", ".dockerignore": "*\n"})
    with serving(tmp_path / "served") as address:
        yield f"{address}/app.git"


def test_a_repository_is_a_context_without_its_git_directory(repository: str) -> None:
    with open_inputs(repository) as inputs:
        assert inputs.source.text == SCRATCH
        assert [entry.path for entry in inputs.context.children("")] == [".dockerignore", "Dockerfile", "sub"]


def test_a_repository_s_git_directory_is_kept_if_asked_for(repository: str) -> None:
    with open_inputs(repository, "", Access(keeps_git=True)) as inputs:
        assert inputs.context.find(".git/HEAD") is not None


def test_a_ref_and_a_directory_make_a_context(repository: str) -> None:
    with open_inputs(f"{repository}#v1:sub") as inputs:
        found = inputs.context.find("f")
        assert found is not None
        assert (inputs.source.text, inputs.context.opener(found)().read()) == ("FROM scratch\nLABEL v=1\n", b"old")


def test_a_dockerfile_of_a_repository_is_in_it(repository: str) -> None:
    with open_inputs(repository, "sub/Dockerfile") as inputs:
        assert inputs.source.name == "sub/Dockerfile"
    with pytest.raises(ContextError, match="'sub/out' leads out of"), open_inputs(repository, "sub/out"):
        pass


def test_a_missing_branch_names_what_there_is(repository: str) -> None:
    with pytest.raises(ContextError, match="has no branch or tag 'mian'") as caught, open_inputs(f"{repository}#mian"):
        pass
    assert caught.value.hint == "did you mean main?"


@pytest.fixture
def private(tmp_path: Path) -> Iterator[PrivateServer]:
    """A server that lets in by a token, with the repository ``app.git`` and the tarball ``c.tar``."""
    require("git")
    commit(tmp_path / "work", {"Dockerfile": "FROM scratch\nCOPY f /\n", "f": "one"})
    git(tmp_path / "work", "update-server-info")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "app.git").symlink_to(tmp_path / "work" / ".git")
    (tmp_path / "site" / "c.tar").write_bytes(packed(Dockerfile=SCRATCH))
    basic = b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    with serving_privately(tmp_path / "site", f"Basic {basic}") as server:
        yield server


def built(tmp_path: Path, context: str, secrets: Mapping[str, str], **wishes: object) -> tuple[BuildResult, str]:
    """What came out, and all that was told meanwhile."""
    events: list[Event] = []
    surroundings = Surroundings(secrets={name: Secret.of(value) for name, value in secrets.items()})
    request = replace(BuildRequest(context, surroundings=surroundings), **wishes)  # type: ignore[arg-type]
    with Store.at(tmp_path / "store") as store:
        return build(request, store, events.append, Cancellation()), repr(events)


def test_a_private_repository_wants_a_token(private: PrivateServer, tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="can't be fetched by git") as caught:
        built(tmp_path, f"{private.url}/app.git", {})
    assert "--secret id=GIT_AUTH_TOKEN" in caught.value.hint


@pytest.mark.parametrize(
    "name", ["GIT_AUTH_TOKEN", "GIT_AUTH_TOKEN.{host}", "GIT_AUTH_HEADER", "GIT_AUTH_HEADER.{host}"]
)
def test_a_secret_opens_a_private_repository_and_is_not_told(private: PrivateServer, tmp_path: Path, name: str) -> None:
    secret = private.authorization if "HEADER" in name else TOKEN
    _, told = built(tmp_path, f"{private.url}/app.git", {name.format(host=private.host): secret})
    assert not any(word in told for word in (TOKEN, private.authorization.split()[1]))
    kept = [path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in content for content in kept)


def test_a_secret_of_another_host_stays_there(private: PrivateServer, tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="can't be fetched by git"):
        built(tmp_path, f"{private.url}/app.git", {"GIT_AUTH_TOKEN.example.com": TOKEN})
    assert set(private.shown) == {""}


def test_a_wrong_token_is_not_told_either(private: PrivateServer, tmp_path: Path) -> None:
    with pytest.raises(ContextError) as caught:
        built(tmp_path, f"{private.url}/app.git", {"GIT_AUTH_TOKEN": "wrong-one"})
    assert "wrong-one" not in caught.value.message + caught.value.hint


def test_add_of_a_private_repository_takes_the_token_too(private: PrivateServer, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(f"FROM scratch\nADD {private.url}/app.git /src\n")
    keys = [built(tmp_path, str(tmp_path / "context"), {"GIT_AUTH_TOKEN": TOKEN})[0].cached for _ in range(2)]
    assert keys == [0, 1]


def test_a_private_tarball_is_opened_by_a_token_of_its_host(private: PrivateServer, tmp_path: Path) -> None:
    private.authorization = f"Bearer {TOKEN}"
    _, told = built(tmp_path, f"{private.url}/c.tar", {f"HTTP_AUTH_TOKEN_{private.host}": TOKEN})
    assert TOKEN not in told


def test_a_named_context_may_be_a_repository(repository: str, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nCOPY --from=src f /\n")
    named = {"src": f"{repository}#v1:sub"}
    result, _ = built(tmp_path, str(tmp_path / "context"), {}, named_contexts=named)
    assert [entry.path for entry in Store.at(tmp_path / "store").index(result.image.layers[0]).entries] == ["f"]


def test_a_named_file_of_the_web_is_called_context(web: FileServer, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM scratch\nCOPY --from=src context /f\n")
    result, _ = built(tmp_path, str(tmp_path / "context"), {}, named_contexts={"src": f"{web.url}/Dockerfile"})
    assert [entry.path for entry in Store.at(tmp_path / "store").index(result.image.layers[0]).entries] == ["f"]


SSH = """\
#!/bin/sh
ssh-add -l > "$(dirname "$0")/offered"
for word; do last=$word; done
exec sh -c "$last"
"""


def test_a_key_in_a_file_opens_a_repository_by_ssh(tmp_path: Path) -> None:
    """``ssh`` is one that writes down the keys that it is offered, and asks this machine."""
    require("git", "ssh-agent", "ssh-add", "ssh-keygen")
    commit(tmp_path / "served", {"Dockerfile": SCRATCH})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(SSH)
    (tmp_path / "bin" / "ssh").chmod(0o755)
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "of the test", "-f", key], check=True)
    environment = {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    surroundings = Surroundings(agents={"default": SshAgent(keys=(key,))})
    built(tmp_path, f"ssh://git@localhost{tmp_path}/served", {}, environment=environment, surroundings=surroundings)
    assert "of the test" in (tmp_path / "bin" / "offered").read_text()


def test_a_token_is_not_shown_to_the_host_that_a_redirect_names(tmp_path: Path) -> None:
    with FileServer({"/c.tar": packed(Dockerfile=SCRATCH)}) as other:
        moved = RegistryServer()
        moved.fail("/c.tar", redirects(f"{other.url}/c.tar"))
        with moved:
            built(tmp_path, f"{moved.url}/c.tar", {f"HTTP_AUTH_TOKEN_{moved.host}": TOKEN})
        assert [request.headers.get("Authorization") for request in moved.requests] == [f"Bearer {TOKEN}"]
        assert [request.headers.get("Authorization") for request in other.requests] == [None]
