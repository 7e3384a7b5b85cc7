"""How registries are entered: TLS by authorities of the tests' own, certificates that are wanted of us, passwords."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import daemons
from tests.command import Minibuild
from tests.daemons import Registry
from tests.machine import require
from tests.servers.certificates import Authority, Certificate

pytestmark = pytest.mark.e2e

# "pass:word", as htpasswd -B writes it.
HTPASSWD = "me:$2b$04$PZTxwcCuVoj2NEc6obM66uYOHULJOXqg.0AzFa1AM7.xeBUc1hJ76\n"
AUTH = b64encode(b"me:pass:word").decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    require("openssl", "docker-registry")
    return Authority.founded(tmp_path_factory.mktemp("doors") / "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who has signed nothing here."""
    return Authority.founded(tmp_path_factory.mktemp("doors") / "stranger")


@pytest.fixture(scope="module")
def server_certificate(authority: Authority) -> Certificate:
    return authority.signed("localhost")


@pytest.fixture(scope="module")
def secure(server_certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with TLS and a password."""
    place = tmp_path_factory.mktemp("secure")
    (place / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "tests", "path": str(place / "htpasswd")}}
    with daemons.registry(place, auth, server_certificate.together()) as server:
        yield server


@pytest.fixture(scope="module")
def mutual(
    authority: Authority, server_certificate: Certificate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """A registry with TLS that wants to see certificates."""
    place = tmp_path_factory.mktemp("mutual")
    with daemons.registry(place, None, server_certificate.together(), authority.own.path) as server:
        yield server


@pytest.fixture
def user(minibuild: Minibuild, tmp_path: Path) -> Minibuild:
    """minibuild with an image ``app``, and a home where nothing is."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    home = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    homely = minibuild.with_variables(**home)
    homely.succeed("build", "-t", "app", context)
    return homely


def certificates(user: Minibuild, registry: Registry, **files: Path) -> Minibuild:
    """The user, with files of certificates kept for a registry."""
    directory = Path(user.environment["XDG_CONFIG_HOME"]) / "containers/certs.d" / registry.host
    directory.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        shutil.copy(file, directory / name.replace("_", "."))
    return user


def configured(user: Minibuild, text: str) -> Minibuild:
    """The user, with a registries.conf."""
    file = Path(user.environment["HOME"]).with_name("registries.conf")
    file.write_text(text)
    return user.with_variables(CONTAINERS_REGISTRIES_CONF=str(file))


def insider(user: Minibuild, registry: Registry) -> Minibuild:
    return user.with_variables(DOCKER_AUTH_CONFIG=json.dumps({"auths": {registry.host: {"auth": AUTH}}}))


def goes_round(user: Minibuild, name: str) -> bool:
    """A push and a pull of it into another store come to the same image."""
    user.succeed("tag", "app", name)
    user.succeed("push", name)
    elsewhere = user.at(user.root.with_name("elsewhere"))
    elsewhere.succeed("pull", name)
    return elsewhere.succeed("images", "-q", "--no-trunc") == user.succeed("images", "-q", "--no-trunc", name)


def test_an_authority_is_trusted_by_a_variable(user: Minibuild, secure: Registry, authority: Authority) -> None:
    # An empty directory is a word too: without one, what is on this machine is asked in clear text.
    trusting = certificates(insider(user, secure), secure).with_variables(SSL_CERT_FILE=str(authority.own.path))
    assert goes_round(trusting, f"{secure.host}/tls/variable:1")


def test_an_authority_is_trusted_by_the_registrys_directory(
    user: Minibuild, secure: Registry, authority: Authority
) -> None:
    trusting = certificates(insider(user, secure), secure, ca_crt=authority.own.path)
    assert goes_round(trusting, f"{secure.host}/tls/directory:1")


def test_a_registry_may_be_declared_insecure(user: Minibuild, secure: Registry) -> None:
    careless = configured(insider(user, secure), f'[[registry]]\nlocation = "{secure.host}"\ninsecure = true\n')
    assert goes_round(careless, f"{secure.host}/tls/insecure:1")


def test_a_certificate_of_ours_is_shown_where_it_is_wanted(
    user: Minibuild, mutual: Registry, authority: Authority
) -> None:
    me = authority.signed("me")
    known = certificates(user, mutual, ca_crt=authority.own.path, client_cert=me.path, client_key=me.key)
    assert goes_round(known, f"{mutual.host}/tls/mutual:1")


def test_who_trusts_nobody_or_another_is_told_where_authorities_are_kept(
    user: Minibuild, secure: Registry, stranger: Authority
) -> None:
    for files in ({}, {"ca_crt": stranger.own.path}):
        known = certificates(user, secure, **files)
        done = known("pull", f"{secure.host}/tls/any:1")
        assert done.returncode == 7
        assert f"can't be had from https://{secure.host}" in done.stderr
        assert "certificate verify failed" in done.stderr
        assert f"certs.d/{secure.host}/ca.crt" in done.stderr


@pytest.mark.parametrize("whose", ["nobody's", "a stranger's"])
def test_who_shows_no_certificate_that_is_wanted_is_told_where_to_keep_one(
    user: Minibuild, mutual: Registry, authority: Authority, stranger: Authority, whose: str
) -> None:
    them = stranger.signed("them") if whose == "a stranger's" else None
    files = {"client_cert": them.path, "client_key": them.key} if them else {}
    done = certificates(user, mutual, ca_crt=authority.own.path, **files)("pull", f"{mutual.host}/tls/any:1")
    assert done.returncode == 7
    assert f"certs.d/{mutual.host}/client.cert and client.key" in done.stderr


def test_clear_text_is_spoken_elsewhere_than_here_only_where_that_is_configured(
    user: Minibuild, registry: Registry
) -> None:
    # An address that Linux takes for this machine, and no rule takes for loopback.
    host = registry.host.replace("localhost", "0.0.0.0")
    refused = user("pull", f"{host}/clear/app:1")
    assert (refused.returncode, "it doesn't speak https" in refused.stderr) == (7, True)
    assert "insecure" in refused.stderr
    open_ = configured(user, f'[[registry]]\nlocation = "{host}"\ninsecure = true\n')
    assert goes_round(open_, f"{host}/clear/app:1")


def test_a_registry_on_loopback_is_asked_in_clear_text_without_any_word(user: Minibuild, registry: Registry) -> None:
    assert goes_round(user, f"{registry.host}/clear/here:1")
    assert goes_round(user, f"{registry.host.replace('localhost', '127.0.0.1')}/clear/there:1")
