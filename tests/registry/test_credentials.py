"""Credentials: found where docker and podman keep them, for the host they are for and no other."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path

import pytest

from minibuild.registry.credentials import Credential, Keychain


def auth(words: str) -> str:
    return b64encode(words.encode()).decode()


def keychain(tmp_path: Path, document: object, **environment: str) -> Keychain:
    """One of a home whose docker has this file."""
    (tmp_path / ".docker").mkdir(exist_ok=True)
    (tmp_path / ".docker/config.json").write_text(json.dumps(document))
    return Keychain({"HOME": str(tmp_path), **environment})


def helper(tmp_path: Path, name: str, script: str) -> str:
    """Makes a credential helper and answers the PATH that has it."""
    program = tmp_path / "bin" / f"docker-credential-{name}"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("key", "host", "repository", "is_found"),
    [
        ("registry.test", "registry.test", "app", True),
        ("https://registry.test", "registry.test", "app", True),
        ("https://registry.test/v2/", "registry.test", "app", True),
        ("registry.test:5000", "registry.test:5000", "app", True),
        ("registry.test:5000", "registry.test", "app", False),
        ("registry.test", "evil.registry.test", "app", False),
        ("registry.test", "registry.test.evil", "app", False),
        ("registry.test/team", "registry.test", "team/app", True),
        ("registry.test/team/app", "registry.test", "team/app", True),
        ("registry.test/team", "registry.test", "teams/app", False),
        ("registry.test/team", "registry.test", "other/app", False),
        ("https://index.docker.io/v1/", "registry-1.docker.io", "library/busybox", True),
        ("docker.io", "registry-1.docker.io", "library/busybox", True),
        ("docker.io/me", "registry-1.docker.io", "me/app", True),
        ("https://index.docker.io/v1/", "registry.test", "app", False),
    ],
)
def test_an_entry_counts_for_the_host_and_path_it_names(
    tmp_path: Path, key: str, host: str, repository: str, is_found: bool
) -> None:
    chain = keychain(tmp_path, {"auths": {key: {"auth": auth("me:secret")}}})
    source = str(tmp_path / ".docker/config.json")
    assert chain.find(host, repository) == (Credential(source, "me", "secret") if is_found else None)


def test_the_longest_path_comes_first(tmp_path: Path) -> None:
    auths = {"r.test": {"auth": auth("all:1")}, "r.test/team": {"auth": auth("team:2")}}
    found = keychain(tmp_path, {"auths": auths}).find("r.test", "team/app")
    assert found is not None
    assert found.username == "team"


def test_a_password_may_have_colons(tmp_path: Path) -> None:
    found = keychain(tmp_path, {"auths": {"r.test": {"auth": auth("me:a:b")}}}).find("r.test", "app")
    assert found is not None
    assert (found.username, found.password) == ("me", "a:b")


def test_the_variable_comes_before_files(tmp_path: Path) -> None:
    variable = json.dumps({"auths": {"r.test": {"auth": auth("variable:1")}}})
    chain = keychain(tmp_path, {"auths": {"r.test": {"auth": auth("file:1")}}}, DOCKER_AUTH_CONFIG=variable)
    assert chain.find("r.test", "app") == Credential("DOCKER_AUTH_CONFIG", "variable", "1")


def test_podmans_file_is_read_after_dockers(tmp_path: Path) -> None:
    place = tmp_path / "run/containers"
    place.mkdir(parents=True)
    (place / "auth.json").write_text(json.dumps({"auths": {"p.test": {"auth": auth("podman:1")}}}))
    chain = keychain(tmp_path, {"auths": {"d.test": {}}}, XDG_RUNTIME_DIR=str(tmp_path / "run"))
    assert chain.find("p.test", "app") == Credential(str(place / "auth.json"), "podman", "1")
    assert chain.find("d.test", "app") is None


def test_an_identity_token_stands_for_a_password(tmp_path: Path) -> None:
    entry = {"auth": auth("me:"), "identitytoken": "long-lived"}
    found = keychain(tmp_path, {"auths": {"r.test": entry}}).find("r.test", "app")
    assert found == Credential(str(tmp_path / ".docker/config.json"), identity_token="long-lived")


def test_a_helper_is_asked_for_its_host(tmp_path: Path) -> None:
    path = helper(tmp_path, "vault", """read host; echo "{\\"Username\\":\\"me\\",\\"Secret\\":\\"for $host\\"}" """)
    chain = keychain(tmp_path, {"credHelpers": {"r.test": "vault"}}, PATH=path)
    assert chain.find("r.test", "app") == Credential("docker-credential-vault", "me", "for r.test")
    assert chain.find("other.test", "app") is None


def test_the_store_of_credentials_is_asked_once_for_each_host(tmp_path: Path) -> None:
    path = helper(tmp_path, "store", f"cat >>{tmp_path}/asked; echo credentials not found in native keychain; exit 1")
    chain = keychain(tmp_path, {"credsStore": "store", "auths": {"r.test": {"auth": auth("me:1")}}}, PATH=path)
    for _ in range(2):
        assert chain.find("r.test", "team/app") == Credential(str(tmp_path / ".docker/config.json"), "me", "1")
    assert chain.find("registry-1.docker.io", "library/busybox") is None
    assert (tmp_path / "asked").read_text() == "r.testhttps://index.docker.io/v1/"
    assert chain.complaints == []


def test_a_helper_may_give_an_identity_token(tmp_path: Path) -> None:
    path = helper(tmp_path, "acr", """echo '{"Username":"<token>","Secret":"t"}'""")
    chain = keychain(tmp_path, {"credHelpers": {"r.test": "acr"}}, PATH=path)
    assert chain.find("r.test", "app") == Credential("docker-credential-acr", identity_token="t")


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (None, "docker-credential-x is not in PATH"),
        ("echo no session; exit 1", "docker-credential-x said: no session"),
        ("echo '[]'", "docker-credential-x gave no Username and Secret"),
        ("echo nonsense", "docker-credential-x can't be used: JSONDecodeError"),
    ],
)
def test_a_helper_that_fails_is_complained_of_and_not_in_the_way(
    tmp_path: Path, script: str | None, complaint: str
) -> None:
    path = helper(tmp_path, "x", script) if script else str(tmp_path)
    chain = keychain(tmp_path, {"credHelpers": {"r.test": "x"}}, PATH=path)
    assert chain.find("r.test", "app") is None
    assert chain.complaints == [complaint]


def test_a_file_that_is_no_json_is_complained_of(tmp_path: Path) -> None:
    chain = keychain(tmp_path, {})
    (tmp_path / ".docker/config.json").write_text("{")
    assert chain.find("r.test", "app") is None
    assert chain.complaints[0].startswith(f"{tmp_path}/.docker/config.json is no JSON")


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Credential("file", "me", "secret", "secret too"))
