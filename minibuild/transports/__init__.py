"""Where images come from and where they go; each file reads and writes one kind of place.

``base`` the protocols; ``registry`` reads, ``pushing`` writes; ``oci_layout`` directories; ``docker_archive`` tars of
images, of Docker's form and OCI's; ``docker_daemon``; ``clients``: podman and nerdctl; ``local`` and ``tar``: a tree
without a configuration. Beneath them: ``transfers`` many blobs at once, ``archive`` the bytes of an image
archive, ``layout`` images in an OCI layout, ``files`` an archive's or a directory's, ``merging`` layers → one tree,
``outfile`` whole or not at all. A new place is one file and one line in a table here.
May import ``source`` to ``store``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Literal

from minibuild.errors import UsageError, did_you_mean
from minibuild.transports.base import Exporter, ImageSource
from minibuild.values import dataclass

STDOUT = "-"


@dataclass(frozen=True, slots=True)
class Place:
    """What an output says about where it goes: ``dest=`` (``-`` is standard output, "" is not said), ``tar=``."""

    destination: str
    environment: Mapping[str, str]
    stdout: BinaryIO
    is_directory: bool = False

    @property
    def file(self) -> Path | BinaryIO:
        """The destination as a file or stream; not said, it is standard output."""
        return self.stdout if self.destination in ("", STDOUT) else Path(self.destination)

    @property
    def directory(self) -> Path:
        """The destination as a directory."""
        if self.destination in ("", STDOUT):
            raise UsageError("a directory is wanted to write the files to", hint="dest=DIR")
        return Path(self.destination)


def _docker(place: Place) -> Exporter:
    if place.destination:
        return _archive(place)
    from minibuild.transports.docker_daemon import DockerDaemon

    return DockerDaemon(place.environment)


def _archive(place: Place) -> Exporter:
    from minibuild.transports.docker_archive import DockerArchive

    return DockerArchive(place.file)


def _client(name: Literal["podman", "nerdctl"]) -> Callable[[Place], Exporter]:
    def client(_place: Place) -> Exporter:
        from minibuild.transports.clients import Client

        return Client(name)

    return client


def _oci(place: Place) -> Exporter:
    if not place.is_directory:
        return _archive(place)
    from minibuild.transports.oci_layout import OciLayout

    return OciLayout(place.directory)


def _registry(place: Place) -> Exporter:
    from minibuild.transports.pushing import Pushing

    return Pushing(place.environment)


def _local(place: Place) -> Exporter:
    from minibuild.transports.local import LocalDirectory

    return LocalDirectory(place.directory)


def _tar(place: Place) -> Exporter:
    from minibuild.transports.tar import TarFile

    return TarFile(place.file)


# By the types of --output, alphabetical. Nothing is imported before it is asked for.
TABLE: Mapping[str, Callable[[Place], Exporter]] = {
    "docker": _docker,
    "local": _local,
    "nerdctl": _client("nerdctl"),
    "oci": _oci,
    "podman": _client("podman"),
    "registry": _registry,
    "tar": _tar,
}


def open_exporter(kind: str, place: Place) -> Exporter:
    """The transport for an output's type; raises UsageError for a type there is none for."""
    if kind not in TABLE:
        hint = did_you_mean(kind, list(TABLE)) or f"choose from {', '.join(TABLE)}"
        raise UsageError(f"{kind!r} is no type of output", hint=hint)
    return TABLE[kind](place)


def _from_archive(words: str, _environment: Mapping[str, str]) -> ImageSource:
    from minibuild.transports.docker_archive import DockerArchive

    return DockerArchive.at(words)


def _from_layout(words: str, _environment: Mapping[str, str]) -> ImageSource:
    from minibuild.transports.oci_layout import OciLayout

    return OciLayout.at(words)


def _from_daemon(words: str, environment: Mapping[str, str]) -> ImageSource:
    from minibuild.transports.docker_daemon import DockerDaemon

    return DockerDaemon(environment, words)


# By the schemes of --build-context NAME=SCHEME:WORDS, alphabetical.
SOURCES: Mapping[str, Callable[[str, Mapping[str, str]], ImageSource]] = {
    "docker-archive": _from_archive,
    "docker-daemon": _from_daemon,
    "oci-archive": _from_archive,
    "oci-layout": _from_layout,
}


def open_source(words: str, environment: Mapping[str, str]) -> ImageSource | None:
    """The source that ``scheme:place`` or ``scheme://place`` names, with ``:tag`` or ``@digest`` after the place if
    it has several images; None where the words have no scheme of ours.
    """
    scheme, colon, rest = words.partition(":")
    return SOURCES[scheme](rest.removeprefix("//"), environment) if colon and scheme in SOURCES else None
