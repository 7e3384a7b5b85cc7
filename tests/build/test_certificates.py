"""What may be a bundle of certificates."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from minibuild.build.certificates import read_bundle
from minibuild.errors import UsageError
from tests.machine import require
from tests.servers.certificates import Authority, Certificate


@pytest.fixture
def authority(tmp_path: Path) -> Certificate:
    require("openssl")
    return Authority.founded(tmp_path / "authority").own


def test_a_bundle_is_taken_as_it_is_comments_in_any_encoding_too(authority: Certificate, tmp_path: Path) -> None:
    content = b"# f\xfcr alle\n" + authority.path.read_bytes() * 2
    (tmp_path / "bundle").write_bytes(content)
    assert read_bundle(tmp_path / "bundle") == content


def test_a_key_is_not_given_away(authority: Certificate) -> None:
    with pytest.raises(UsageError, match="holds a private key, which every RUN would see"):
        read_bundle(authority.together())


def test_a_broken_certificate_is_refused(authority: Certificate, tmp_path: Path) -> None:
    (tmp_path / "bundle").write_bytes(authority.path.read_bytes()[:-200])
    with pytest.raises(UsageError, match="has to be certificates as PEM, whole ones"):
        read_bundle(tmp_path / "bundle")


def test_what_openssl_calls_der_is_told_how_to_become_pem(authority: Certificate, tmp_path: Path) -> None:
    der = tmp_path / "ca.der"
    subprocess.run(["openssl", "x509", "-in", authority.path, "-outform", "der", "-out", der], check=True)
    with pytest.raises(UsageError) as caught:
        read_bundle(der)
    assert caught.value.hint == f"make PEM of it: openssl x509 -inform der -in {der} -out ca.pem"
