"""Tokens of a server of the tests' own, which Debian's docker-registry verifies."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from minibuild.events import silent
from minibuild.layers.compressing import Compression
from minibuild.oci import Image, Platform, Reference
from minibuild.registry.session import Patience
from minibuild.store import Store
from minibuild.transports.pushing import Pushing
from minibuild.transports.registry import Registry
from tests import daemons
from tests.command import Minibuild
from tests.machine import require
from tests.servers.certificates import Authority
from tests.servers.exchange import Reply, Request
from tests.servers.proxy import FaultyProxy, asked
from tests.servers.tokens import TokenServer
from tests.store.conftest import stored_image

pytestmark = pytest.mark.e2e

PASSWORD, IDENTITY = "me:pass:word", "an-identity-token"
TARS = (b"one" * 500_000, b"two" * 100)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenServer]:
    require("openssl", "docker-registry")
    signer = Authority.founded(tmp_path_factory.mktemp("tokens") / "signer").own
    with TokenServer(signer, password=PASSWORD, identity=IDENTITY) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(tokens: TokenServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[daemons.Registry]:
    """A registry that takes tokens."""
    with daemons.registry(tmp_path_factory.mktemp("guarded"), tokens.auth()) as server:
        yield server


@pytest.fixture(scope="module")
def image(guarded: daemons.Registry, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """An image of two layers, for everybody and for nobody but us."""
    with Store.at(tmp_path_factory.mktemp("tokens")) as store:
        packed = store.repacked(stored_image(store, "a", *TARS), Compression("uncompressed"))
        names = [Reference.parse(f"{guarded.host}/{name}:1") for name in ("public/app", "private/app")]
        Pushing(known(guarded.host)).export(packed, names, store, silent)
        return packed


def known(host: str, entry: dict[str, str] | None = None) -> dict[str, str]:
    """An environment with credentials for a host."""
    entry = entry or {"auth": b64encode(PASSWORD.encode()).decode()}
    return {"DOCKER_AUTH_CONFIG": json.dumps({"auths": {host: entry}})}


def test_what_is_public_is_pulled_by_anybody(minibuild: Minibuild, guarded: daemons.Registry, image: Image) -> None:
    minibuild.succeed("pull", f"{guarded.host}/public/app:1")
    assert minibuild.succeed("images", "-q", "--no-trunc").strip() == image.id


def test_who_may_not_pull_is_told_that_nobody_was_named(
    minibuild: Minibuild, guarded: daemons.Registry, image: Image
) -> None:
    assert image
    done = minibuild.with_variables(HOME="/nonexistent")("pull", f"{guarded.host}/private/app:1")
    assert done.returncode == 7
    assert "401 UNAUTHORIZED: authentication required" in done.stderr
    assert f"minibuild asked as nobody: nothing is kept for {guarded.host} in" in done.stderr


@pytest.mark.parametrize(
    "entry",
    [{"auth": b64encode(PASSWORD.encode()).decode()}, {"identitytoken": IDENTITY}],
    ids=["a password", "an identity token"],
)
def test_credentials_are_exchanged_for_a_token(
    minibuild: Minibuild, guarded: daemons.Registry, image: Image, entry: dict[str, str]
) -> None:
    insider = minibuild.with_variables(**known(guarded.host, entry))
    insider.succeed("pull", f"{guarded.host}/private/app:1")
    assert insider.succeed("images", "-q", "--no-trunc").strip() == image.id


def test_a_wrong_identity_token_is_told_by_where_it_is_kept(
    minibuild: Minibuild, guarded: daemons.Registry, image: Image
) -> None:
    assert image
    outsider = minibuild.with_variables(**known(guarded.host, {"identitytoken": "another"}))
    done = outsider("pull", f"{guarded.host}/private/app:1")
    assert (done.returncode, "another" in done.stderr) == (7, False)
    assert "401 UNAUTHORIZED: incorrect username or password" in done.stderr
    assert "whom DOCKER_AUTH_CONFIG names" in done.stderr


def test_who_logs_in_may_push_and_pull_until_logging_out(
    minibuild: Minibuild, guarded: daemons.Registry, tmp_path: Path
) -> None:
    user = minibuild.with_variables(DOCKER_CONFIG=str(tmp_path / "docker"))
    assert user("login", "-u", "me", "--password-stdin", guarded.host, stdin="wrong\n").returncode == 7
    assert user("login", "-u", "me", "--password-stdin", guarded.host, stdin="pass:word\n").returncode == 0
    (tmp_path / "context").mkdir()
    (tmp_path / "context/Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    user.succeed("build", "-t", f"{guarded.host}/private/in:1", "--push", tmp_path / "context")
    replace(user, root=tmp_path / "elsewhere").succeed("pull", f"{guarded.host}/private/in:1")
    user.succeed("logout", guarded.host)
    assert user("pull", f"{guarded.host}/private/in:1").returncode == 7


def test_a_token_that_ends_in_the_middle_of_a_layer_is_renewed_once(
    tokens: TokenServer, guarded: daemons.Registry, image: Image, tmp_path: Path
) -> None:
    def cut_when_it_has_ended(request: Request, reply: Reply) -> Reply:
        deadline = time.monotonic() + 20
        while asked(guarded.host, request).status != 401 and time.monotonic() < deadline:
            time.sleep(0.05)
        return replace(reply, cut_at=400_000)

    before = len(tokens.requests)
    tokens.lives_s += [2]
    with FaultyProxy(guarded.host) as proxy, Store.at(tmp_path / "store") as store:
        proxy.fail(image.layers[0].descriptor.digest, cut_when_it_has_ended)
        with Registry({}, {}, Patience(pause_s=0.001)) as registry:
            found = registry.resolve(Reference.parse(f"{proxy.host}/public/app:1"), Platform("linux", "amd64"))
            registry.fetch_layers(found, store.blobs, silent, activity=0)
        for layer in image.layers:
            assert store.blobs.has(layer.descriptor)
    assert len(tokens.requests) - before == 2


def test_a_blob_is_taken_over_from_a_repository_that_takes_a_scope_of_its_own(
    tokens: TokenServer, guarded: daemons.Registry, image: Image
) -> None:
    with Registry({}, known(guarded.host)) as registry:
        destination = registry.destination(Reference.parse(f"{guarded.host}/private/mounted:1"))
        before = len(tokens.requests)
        assert [destination.mount(layer.descriptor, "private/app") for layer in image.layers] == [True, True]
        assert all(destination.has(layer.descriptor) for layer in image.layers)
    # docker-registry names actions in any order.
    scopes = {scope.replace("push,pull", "pull,push") for scope in tokens.scopes()[before]}
    assert scopes == {"repository:private/mounted:pull,push", "repository:private/app:pull"}
