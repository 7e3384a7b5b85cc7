"""registries.conf: other places, mirrors, and what needs no TLS."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from minibuild.errors import RegistryError, UsageError
from minibuild.oci import Descriptor, Digest, MediaType, Reference
from minibuild.registry.client import Client
from minibuild.registry.settings import Settings
from tests.registry.asking import HASTY
from tests.servers.registry import RegistryServer

CONF = """
unqualified-search-registries = ["docker.io"]

[[registry]]
prefix = "docker.io"
[[registry.mirror]]
location = "mirror.corp/hub"
[[registry.mirror]]
location = "plain.corp:5000"
insecure = true

[[registry]]
prefix = "docker.io/team"
location = "registry.corp/docker/team"

[[registry]]
location = "old.corp"
insecure = true

[[registry]]
prefix = "evil.example"
blocked = true

[[registry]]
prefix = "*.lab"
location = "gateway.lab/all"
"""


def settings(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "registries.conf").write_text(text)
    return Settings.read({"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "registries.conf")})


@pytest.mark.parametrize(
    ("name", "places"),
    [
        (
            "node:18",
            [
                "https://mirror.corp/v2/hub/library/node/manifests/18",
                "https://plain.corp:5000/v2/library/node/manifests/18",
                "http://plain.corp:5000/v2/library/node/manifests/18",
                "https://registry-1.docker.io/v2/library/node/manifests/18",
            ],
        ),
        ("team/app:18", ["https://registry.corp/v2/docker/team/app/manifests/18"]),
        ("teams/app:18", None),
        ("old.corp/app:18", ["https://old.corp/v2/app/manifests/18", "http://old.corp/v2/app/manifests/18"]),
        ("a.b.lab:5000/app:18", ["https://gateway.lab/v2/all/app/manifests/18"]),
        ("other.example/app:18", ["https://other.example/v2/app/manifests/18"]),
    ],
)
def test_the_longest_rule_that_covers_a_name_says_where_to_ask(
    tmp_path: Path, name: str, places: list[str] | None
) -> None:
    reference = Reference.parse(name)
    found = settings(tmp_path, CONF).endpoints(reference, {})
    asked = [endpoint.url(reference.repository, "manifests", "18") for endpoint in found]
    assert asked == places if places else len(asked) == 4


def test_mirrors_of_the_command_line_come_first(tmp_path: Path) -> None:
    found = settings(tmp_path, CONF).endpoints(Reference.parse("team/app"), {"docker.io": ("http://127.0.0.1:5000",)})
    assert [endpoint.base for endpoint in found] == ["http://127.0.0.1:5000", "https://registry.corp"]


def test_what_is_blocked_is_not_asked_for(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"evil\.example/app:latest is blocked") as caught:
        settings(tmp_path, CONF).endpoints(Reference.parse("evil.example/app"), {})
    assert str(tmp_path) in caught.value.hint


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[registry", "is no registries.conf"),
        ("[[registry]]\nblocked = true", "neither a prefix nor a location"),
        ('[registry]\nprefix = "a.b"', r"wanted \[\[registry\]\]"),
        ('[[registry]]\nprefix = "a.b"\n[[registry.mirror]]\ninsecure = true', "a mirror of a.b has no location"),
    ],
)
def test_a_file_that_says_nothing_clear_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        settings(tmp_path, text)
    assert str(tmp_path) in caught.value.message


def test_the_users_file_comes_before_the_machines(tmp_path: Path) -> None:
    place = tmp_path / "containers/registries.conf"
    place.parent.mkdir()
    place.write_text('[[registry]]\nlocation = "mine.corp"\n')
    assert Settings.read({"XDG_CONFIG_HOME": str(tmp_path)}).source == str(place)


def test_an_insecure_registry_is_asked_without_tls_if_it_has_none(server: RegistryServer, tmp_path: Path) -> None:
    digest = server.add_image("sub/app:1")
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nprefix = "registry.test"\nlocation = "{server.host}/sub"\ninsecure = true\n')
    client = Client({}, {"CONTAINERS_REGISTRIES_CONF": str(conf)}, HASTY)
    assert Digest.of(client.manifest(Reference.parse("registry.test/app:1"))) == digest


def test_an_insecure_registry_may_have_any_certificate(secure: RegistryServer, tmp_path: Path) -> None:
    digest = secure.add_image("app:1")
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nlocation = "{secure.host}"\ninsecure = true\n')
    client = Client({}, {"CONTAINERS_REGISTRIES_CONF": str(conf)}, HASTY)
    assert Digest.of(client.manifest(Reference.parse(f"{secure.host}/app:1"))) == digest


def test_a_variable_opens_the_registries_that_it_names() -> None:
    found = Settings.read({"CONTAINERS_REGISTRIES_CONF": "/none", "MINIBUILD_INSECURE_REGISTRY": "a.corp b.corp:5000"})
    places = {name: found.endpoints(Reference.parse(f"{name}/x"), {}) for name in ("a.corp", "b.corp:5000", "c.corp")}
    assert {name: [endpoint.base for endpoint in found] for name, found in places.items()} == {
        "a.corp": ["https://a.corp", "http://a.corp"],
        "b.corp:5000": ["https://b.corp:5000", "http://b.corp:5000"],
        "c.corp": ["https://c.corp"],
    }


@pytest.mark.parametrize("kind", ["server", "secure"])
def test_a_registry_that_may_be_insecure_is_written_to_in_the_way_that_it_speaks(
    kind: str, request: pytest.FixtureRequest
) -> None:
    registry: RegistryServer = request.getfixturevalue(kind)
    client = Client({}, {"CONTAINERS_REGISTRIES_CONF": "/none", "MINIBUILD_INSECURE_REGISTRY": "*"}, HASTY)
    descriptor = Descriptor(MediaType.LAYER, Digest.of(b"x"), 1)
    client.destination(Reference.parse(f"{registry.host}/app:1")).put_blob(descriptor, lambda: BytesIO(b"x"), [].append)
    assert registry.blobs == {descriptor.digest: b"x"}
