"""Where registries are asked, and which places nobody may send us to."""

from __future__ import annotations

import pytest

from minibuild.errors import UsageError
from minibuild.registry.endpoints import Endpoint, endpoints, is_loopback, objection, origin, parse_mirrors


@pytest.mark.parametrize(
    ("registry", "base"),
    [
        ("docker.io", "https://registry-1.docker.io"),
        ("ghcr.io", "https://ghcr.io"),
        ("registry.corp:5000", "https://registry.corp:5000"),
        ("localhost:5000", "http://localhost:5000"),
        ("localhost", "http://localhost"),
        ("127.8.9.10:80", "http://127.8.9.10:80"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("128.0.0.1", "https://128.0.0.1"),
        ("localhost.evil.com", "https://localhost.evil.com"),
    ],
)
def test_a_registry_is_asked_by_https_unless_it_is_this_machine(registry: str, base: str) -> None:
    assert endpoints(registry, {}) == (Endpoint(base),)


def test_mirrors_are_asked_in_their_order_and_the_registry_itself_last() -> None:
    mirrors = parse_mirrors(["docker.io=http://one:5000", "ghcr.io=three", "index.docker.io=https://two/hub/"])
    assert [str(endpoint) for endpoint in endpoints("docker.io", mirrors)] == [
        "http://one:5000",
        "https://two/hub/",
        "https://registry-1.docker.io",
    ]
    assert endpoints("ghcr.io", mirrors) == (Endpoint("https://three"), Endpoint("https://ghcr.io"))


def test_the_path_of_a_mirror_stands_before_each_repository() -> None:
    endpoint = Endpoint.parse("https://harbor.corp/hub")
    assert endpoint.url("library/node", "manifests", "18") == "https://harbor.corp/v2/hub/library/node/manifests/18"


@pytest.mark.parametrize(
    "word",
    [
        "http://127.0.0.1:5000",
        "docker.io",
        "=http://a",
        "docker.io=",
        "docker.io=ftp://a",
        "docker.io=http://",
        "docker.io=http://user:secret@a",
        "docker.io=http://a/?x=1",
        "docker.io=http://a:99999",
        "docker.io=http://a b",
        "node=http://a",
        "docker.io/library=http://a",
        "Docker Io=http://a",
    ],
)
def test_a_mirror_that_cannot_be_is_refused_by_its_word(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_mirrors(["ghcr.io=https://good", word])
    assert repr(word) in caught.value.message
    assert "docker.io=http" in caught.value.hint


@pytest.mark.parametrize(
    ("asked", "target", "allowed"),
    [
        ("https://a/v2/", "https://cdn.b/x", True),
        ("https://a/v2/", "http://a/x", False),
        ("https://a/v2/", "ftp://a/x", False),
        ("https://a/v2/", "file:///etc/passwd", False),
        ("https://a/v2/", "https://127.0.0.1/x", False),
        ("https://a/v2/", "https://localhost:2375/x", False),
        ("https://a/v2/", "https://[::1]/x", False),
        ("https://a/v2/", "https://169.254.169.254/latest/meta-data", False),
        ("http://a/v2/", "http://169.254.169.254/latest/meta-data", False),
        ("http://localhost:5000/v2/", "http://169.254.169.254/", False),
        ("http://localhost:5000/v2/", "http://127.0.0.1:9000/x", True),
        ("http://a/v2/", "http://b/x", True),
        ("http://a/v2/", "https://b/x", True),
        ("https://a/v2/", "", False),
        ("https://a/v2/", "https://[x", False),
        ("https://a/v2/", "https://b:99999/x", False),
    ],
)
def test_a_server_may_send_us_only_to_places_as_safe_as_itself(asked: str, target: str, allowed: bool) -> None:
    assert (objection(asked, target) == "") is allowed


def test_an_origin_spells_its_port_out() -> None:
    assert origin("https://A.example/x") == origin("https://a.example:443/y") == ("https", "a.example", 443)
    assert origin("http://a.example") != origin("https://a.example")
    assert origin("gopher://a") is None


def test_only_names_and_addresses_of_this_machine_are_loopback() -> None:
    assert [host for host in ("localhost", "127.1.2.3", "::1", "10.0.0.1", "example.org", "") if is_loopback(host)] == [
        "localhost",
        "127.1.2.3",
        "::1",
    ]
