"""What tests of the client ask with: little patience, and the names of servers of our own."""

from __future__ import annotations

from pathlib import Path

from minibuild.oci import Descriptor, Reference
from minibuild.registry.client import Client
from minibuild.registry.session import Patience
from tests.servers.registry import RegistryServer

HASTY = Patience(attempts=3, pause_s=0.001, longest_s=2)
CONTENT = bytes(range(256)) * 4096


def client_of(*mirrors: str, trusted: Path | None = None) -> Client:
    """A client that asks these first for the images of ``registry.test``, which itself can't be reached."""
    environment = {"HTTPS_PROXY": "http://127.0.0.1:1"} | ({"SSL_CERT_FILE": str(trusted)} if trusted else {})
    return Client({"registry.test": mirrors}, environment, HASTY)


def at(server: RegistryServer, name: str) -> Reference:
    return Reference.parse(f"{server.host}/{name}")


def fetched(client: Client, reference: Reference, descriptor: Descriptor) -> bytes:
    with client.blob(reference, descriptor) as stream:
        return stream.read()
