"""Proxies out of docker's configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from minibuild.cli.build import request_of
from minibuild.cli.build_options import build_parser
from minibuild.cli.proxies import configured_proxies
from minibuild.errors import UsageError

PROXIES = {"default": {"httpProxy": "http://p:1", "noProxy": "a,b"}, "tcp://host:1": {"allProxy": "socks://s"}}


@pytest.fixture
def home(tmp_path: Path) -> Mapping[str, str]:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {}, "proxies": PROXIES}))
    return {"DOCKER_CONFIG": str(tmp_path)}


def test_every_build_gets_those_of_the_daemon_or_of_all(home: Mapping[str, str]) -> None:
    of_all = {"HTTP_PROXY": "http://p:1", "http_proxy": "http://p:1", "NO_PROXY": "a,b", "no_proxy": "a,b"}
    assert configured_proxies(home) == of_all
    assert configured_proxies({**home, "DOCKER_HOST": "tcp://host:1"}) == {
        "ALL_PROXY": "socks://s",
        "all_proxy": "socks://s",
    }


def test_an_argument_goes_before_them(home: Mapping[str, str]) -> None:
    arguments = build_parser({}).read(("--build-arg", "HTTP_PROXY=own", "."))
    given = request_of(arguments, home).build_arguments
    assert (given["HTTP_PROXY"], given["http_proxy"]) == ("own", "http://p:1")


@pytest.mark.parametrize("text", ["{}", '{"proxies": {}}', '{"proxies": {"default": {"httpProxy": ""}}}', None])
def test_there_are_none_where_docker_has_none(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert configured_proxies({"DOCKER_CONFIG": str(tmp_path)}) == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"proxies": {"default": 1}}'])
def test_a_file_that_docker_did_not_write_is_a_mistake_to_mend(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UsageError, match="is not what docker writes"):
        configured_proxies({"DOCKER_CONFIG": str(tmp_path)})
