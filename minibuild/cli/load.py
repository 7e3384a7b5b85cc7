"""``minibuild load``: the images of an archive, or of an OCI layout, in the store."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from minibuild.build.journal import Journal
from minibuild.cli.display import choose
from minibuild.cli.options import add_platform, add_progress, platform_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.errors import ImageError
from minibuild.oci import AnyImage, Descriptor, Platform, Reference

if TYPE_CHECKING:
    from typing import BinaryIO

    from minibuild.store import Store

_BLOCK = 1 << 20


class Images(Protocol):
    """A place with any number of images."""

    def images(self, platform: Platform | None) -> Iterable[tuple[tuple[Reference, ...], AnyImage]]: ...

    def open(self, descriptor: Descriptor) -> BinaryIO: ...


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser("load", "Reads the images of an archive (of docker save, skopeo, minibuild…) into the store.")
    add = parser.add_argument
    add(
        "-i", "--input", metavar="FILE", help="the archive, or the directory of an OCI layout (default: standard input)"
    )
    add("-q", "--quiet", action="store_true", help="show nothing but the names")
    add_platform(add, "of several platforms only that one", default="all")
    add_progress(add, environment)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Loads every image that the archive has, or has for the platform."""
    platform = platform_of(arguments, session.environment) if arguments.platform else None
    display = choose("quiet" if arguments.quiet else arguments.progress, session.errors, session.environment)
    where = arguments.input or "standard input"
    lines = []
    from minibuild.build.supplying import bring

    with session.store() as store, closing(display):
        source = _source(arguments.input, session)
        with Journal(display).activity(f"loading from {where}") as activity:
            for names, image in source.images(platform):
                for package in image.packages:
                    bring(store, source, package.blobs, activity)
                store.put_image(image)
                lines += _name(store, names, image)
    if not lines:
        for_it = f" for {platform}" if platform else ""
        raise ImageError(f"{where} has no image{for_it}", hint="choose another with --platform" if platform else "")
    session.output.write("".join(f"{line}\n" for line in lines))
    return 0


def _source(word: str | None, session: Session) -> Images:
    from minibuild.transports.docker_archive import DockerArchive
    from minibuild.transports.oci_layout import OciLayout

    if word in (None, "", "-"):
        return DockerArchive(session.input_bytes)
    path = Path(str(word))
    if not path.exists():
        raise ImageError(f"{path} doesn't exist, wanted an archive or the directory of an OCI layout")
    return OciLayout(path) if path.is_dir() else DockerArchive(path)


def _name(store: Store, names: tuple[Reference, ...], image: AnyImage) -> list[str]:
    for name in names:
        store.images.tag(name, image)
    if names:
        return [f"Loaded image: {name.familiar()}" for name in names]
    store.images.keep(image)
    return [f"Loaded image ID: {image.id}"]
