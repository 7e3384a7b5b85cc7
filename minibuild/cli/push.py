"""``minibuild push``: images of the store to the registries that their names say."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from minibuild.cli.display import choose
from minibuild.cli.options import Add, add_platform, add_progress, platform_of
from minibuild.cli.outputs import parse_output
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.errors import UsageError
from minibuild.oci import AnyImage, Reference

if TYPE_CHECKING:
    from minibuild.store import Store


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser("push", "Puts images of the store into registries.", "NAME[:TAG]…", least=1, most=None)
    add = parser.add_argument
    add_forms(add)
    add_platform(add, "of several platforms only that one", default="all")
    add_progress(add, environment)
    add("-q", "--quiet", action="store_true", help="show nothing but the names with their digests")
    return parser


def add_forms(add: Add) -> None:
    """Adds the options that say what layers are pushed as, and where to write the digest."""
    words = "what layers are pushed as that aren't compressed yet: gzip (default), zstd, uncompressed"
    add("--compression", metavar="FORM", default="gzip", help=words)
    add("--compression-level", metavar="NUMBER", default="", help="how hard to compress")
    add("--force-compression", action="store_true", help="change layers too that are compressed already")
    add("--digest-file", metavar="FILE", help="write the last image's digest in the registry there")


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Pushes one name after the other; prints each with the digest that it has in its registry."""
    names = [Reference.parse(word) for word in arguments.operands]
    for name in names:
        if name.is_pinned:
            raise UsageError(f"{name.familiar()} has a digest, which only the bytes can give", hint="push a tag")
    with session.store() as store:
        push({name: _chosen(store, name, arguments, session) for name in names}, arguments, store, session)
    return 0


def push(images: Mapping[Reference, AnyImage], arguments: argparse.Namespace, store: Store, session: Session) -> None:
    """Pushes images under names as the options say, and prints each name with the digest that it has there."""
    from minibuild.cli.exporting import Exports

    output = parse_output(
        f"type=registry,compression={arguments.compression},compression-level={arguments.compression_level},"
        f"force-compression={str(arguments.force_compression).lower()}"
    )
    with closing(
        choose("quiet" if arguments.quiet else arguments.progress, session.errors, session.environment)
    ) as display:
        exports = Exports(store, display, session)
        for name, image in images.items():
            pushed = exports.export(output, image, [name])
            session.print(f"{name.familiar()}@{pushed.digest}")
    if arguments.digest_file:
        from pathlib import Path

        Path(arguments.digest_file).write_text(pushed.digest)


def _chosen(store: Store, name: Reference, arguments: argparse.Namespace, session: Session) -> AnyImage:
    from minibuild.cli.finding import find_any, image_for

    found = find_any(store, str(name))
    if not arguments.platform:
        return found
    return image_for(found, name.familiar(), platform_of(arguments, session.environment))
