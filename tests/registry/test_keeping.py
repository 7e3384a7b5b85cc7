"""Credentials, kept where docker finds them and forgotten there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from minibuild.errors import UnavailableError, UsageError
from minibuild.registry.credentials import Credential, Keychain
from minibuild.registry.keeping import Keeping
from tests.registry.test_credentials import helper

ME = Credential("the command line", "me", "pass:word")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "docker/config.json"


def keeping(config: Path, **environment: str) -> Keeping:
    return Keeping({"DOCKER_CONFIG": str(config.parent), **environment})


@pytest.mark.parametrize("host", ["r.test", "r.test:5000", "docker.io"])
def test_what_is_kept_is_found_again(config: Path, host: str) -> None:
    assert keeping(config).keep(host, ME) == str(config)
    found = Keychain({"DOCKER_CONFIG": str(config.parent)}).find(host, "app")
    assert found == Credential(str(config), "me", "pass:word")


def test_docker_hub_has_the_name_that_docker_gives_it(config: Path) -> None:
    keeping(config).keep("docker.io", ME)
    assert list(json.loads(config.read_text())["auths"]) == ["https://index.docker.io/v1/"]


def test_nobody_else_may_read_it_and_what_else_stands_there_stays(config: Path) -> None:
    config.parent.mkdir()
    config.write_text('{"proxies": {"default": {}}, "auths": {"other.test": {"auth": "eDp5"}}}')
    keeping(config).keep("r.test", ME)
    document = json.loads(config.read_text())
    assert (document["proxies"], sorted(document["auths"])) == ({"default": {}}, ["other.test", "r.test"])
    assert config.stat().st_mode & 0o777 == 0o600


def test_a_link_to_the_file_stays_one(config: Path, tmp_path: Path) -> None:
    config.parent.mkdir()
    config.symlink_to(tmp_path / "dotfiles.json")
    keeping(config).keep("r.test", ME)
    assert config.is_symlink()
    assert "r.test" in (tmp_path / "dotfiles.json").read_text()


def test_what_is_forgotten_is_not_found(config: Path) -> None:
    keeping(config).keep("r.test", ME)
    assert keeping(config).forget("r.test")
    assert not keeping(config).forget("r.test")
    assert Keychain({"DOCKER_CONFIG": str(config.parent)}).find("r.test", "app") is None


def test_a_helper_keeps_what_it_is_there_to_keep(config: Path, tmp_path: Path) -> None:
    path = helper(tmp_path, "vault", f"echo $1 >>{tmp_path}/asked; cat >>{tmp_path}/asked; echo >>{tmp_path}/asked")
    config.parent.mkdir()
    config.write_text('{"credsStore": "vault"}')
    assert keeping(config, PATH=path).keep("r.test", ME) == "docker-credential-vault"
    keeping(config, PATH=path).forget("r.test")
    stored = '{"ServerURL": "r.test", "Username": "me", "Secret": "pass:word"}'
    assert (tmp_path / "asked").read_text() == f"store\n{stored}\nerase\nr.test\n"
    assert "pass" not in config.read_text()


def test_a_helper_that_is_missing_is_named(config: Path, tmp_path: Path) -> None:
    config.parent.mkdir()
    config.write_text('{"credsStore": "vault"}')
    with pytest.raises(UnavailableError, match="docker-credential-vault can't be used"):
        keeping(config, PATH=str(tmp_path)).keep("r.test", ME)


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": []}'])
def test_a_file_that_is_damaged_is_left_alone(config: Path, text: str) -> None:
    config.parent.mkdir()
    config.write_text(text)
    with pytest.raises(UsageError, match=str(config)):
        keeping(config).keep("r.test", ME)
    assert config.read_text() == text
