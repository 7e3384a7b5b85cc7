"""Certificates of registries, as docker and podman keep them."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest

from minibuild.errors import RegistryError
from minibuild.oci import Digest, Reference
from minibuild.registry.client import Client
from minibuild.registry.trust import Trust, trust_in
from tests.registry.asking import HASTY
from tests.servers.registry import RegistryServer


def kept(tmp_path: Path, host: str) -> Path:
    """The directory for a host's certificates, in a user's configuration at ``tmp_path``."""
    place = tmp_path / "containers/certs.d" / host
    place.mkdir(parents=True)
    return place


def client_at(tmp_path: Path, server: RegistryServer) -> Client:
    conf = tmp_path / "registries.conf"
    conf.write_text(f'[[registry]]\nprefix = "registry.test"\nlocation = "{server.host}"\n')
    # What is said of this machine itself is asked in clear text, unless the scheme is said.
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "CONTAINERS_REGISTRIES_CONF": str(conf)}
    return Client({"registry.test": (server.url,)}, environment, HASTY)


def test_an_authority_of_a_registry_is_believed_there(
    secure: RegistryServer, certificate: Path, tmp_path: Path
) -> None:
    shutil.copy(certificate, kept(tmp_path, secure.host) / "ca.crt")
    digest = secure.add_image("app:1")
    assert Digest.of(client_at(tmp_path, secure).manifest(Reference.parse("registry.test/app:1"))) == digest


def test_an_authority_of_one_registry_is_not_believed_elsewhere(
    secure: RegistryServer, certificate: Path, tmp_path: Path
) -> None:
    shutil.copy(certificate, kept(tmp_path, "elsewhere.test") / "ca.crt")
    with pytest.raises(RegistryError, match="certificate verify failed"):
        client_at(tmp_path, secure).manifest(Reference.parse("registry.test/app:1"))


def test_a_certificate_of_our_own_is_shown_with_its_key(certificate: Path, tmp_path: Path) -> None:
    place = kept(tmp_path, "r.test:5000")
    shutil.copy(certificate, place / "client.cert")
    shutil.copy(certificate, place / "client.key")
    trust = trust_in("r.test:5000", {"XDG_CONFIG_HOME": str(tmp_path)}, frozenset())
    assert trust == Trust((), ((place / "client.cert", place / "client.key"),))
    assert trust.context({}).verify_mode == ssl.CERT_REQUIRED


def test_a_file_that_is_no_certificate_is_named(secure: RegistryServer, tmp_path: Path) -> None:
    (kept(tmp_path, secure.host) / "ca.crt").write_text("nonsense")
    with pytest.raises(RegistryError, match=r"one of .*ca\.crt can't be used"):
        client_at(tmp_path, secure).manifest(Reference.parse("registry.test/app:1"))


def test_a_host_does_not_lead_out_of_the_directory(tmp_path: Path) -> None:
    assert trust_in("../x", {"XDG_CONFIG_HOME": str(tmp_path)}, frozenset()) == Trust()


def test_a_directory_of_certificates_that_is_named_comes_first(tmp_path: Path) -> None:
    kept(tmp_path / "mine", "r.test")
    named = kept(tmp_path / "named", "r.test")
    (named / "ca.crt").touch()
    environment = {"XDG_CONFIG_HOME": str(tmp_path / "mine"), "MINIBUILD_CERTS_D": str(named.parent)}
    assert trust_in("r.test", environment, frozenset("*")) == Trust((named / "ca.crt",), (), verifies=False)
