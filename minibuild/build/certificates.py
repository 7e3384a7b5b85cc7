"""Certificates that a RUN trusts besides those of its image, or instead: ``--ca-bundle``.

The file stands in the container's own /dev, and variables that programs go by lead there. Over the image's own
/etc/ssl/certs/ca-certificates.crt nothing is mounted: installing ca-certificates has to put another file there.

None of it is in a command's key: where a proxy puts its own certificates in the place of others', what a command
fetches stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from minibuild.errors import UsageError
from minibuild.instructions.effects import InlineFile

PLACE = "/dev/.minibuild/ca.pem"
# OpenSSL (Python, Ruby, Go too), node, pip, requests, curl, git.
_VARIABLES = (
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
)


def variables_for(bundle: bytes) -> Mapping[str, str]:
    """What tells programs of the bundle, unless the Dockerfile tells them otherwise; nothing where there is none."""
    return dict.fromkeys(_VARIABLES, PLACE) if bundle else {}


def files_for(bundle: bytes) -> tuple[InlineFile, ...]:
    """What is bound for programs to read."""
    return (InlineFile(PLACE, bundle),) if bundle else ()


def read_bundle(path: Path) -> bytes:
    """A file's content; raises UsageError unless it holds certificates as PEM, and no key."""
    import ssl

    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"--ca-bundle {path} can't be read: {(error.strerror or str(error)).lower()}") from error
    if b"PRIVATE KEY-----" in content:
        raise UsageError(
            f"--ca-bundle {path} holds a private key, which every RUN would see",
            hint="keep nothing of it but what stands from BEGIN CERTIFICATE to END CERTIFICATE",
        )
    try:
        # Comments may be in any encoding.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        is_der = content.startswith(b"\x30\x82")
        raise UsageError(
            f"--ca-bundle {path} has to be certificates as PEM, whole ones",
            hint=f"make PEM of it: openssl x509 -inform der -in {path} -out ca.pem" if is_der else "",
        ) from error
    return content
