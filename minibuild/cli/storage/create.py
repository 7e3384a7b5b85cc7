"""``minibuild storage create``: a thin pool, made of files in the store or of what is given."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.storage.kinds import check_kind


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "storage create",
        "Makes a thin pool for the snapshotter devicemapper, on files in the store that take room on the disk as they "
        "are filled. It is there while somebody uses it.",
        "devicemapper",
        least=1,
        most=1,
    )
    add = parser.add_argument
    words = "how much all trees together may take (default: 100G): the same as dm.loopdatasize"
    add("--size", metavar="SIZE", default="", help=words)
    words = (
        "docker's: dm.thinpooldev, a pool that is there and empty; dm.datadev and dm.metadatadev, devices to make one "
        "of; dm.basesize, how large a tree may become (default: 10G); dm.blocksize, dm.loopdatasize and "
        "dm.loopmetadatasize; repeatable"
    )
    add("--storage-opt", action="append", default=[], metavar="NAME=VALUE", help=words)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Says how the pool is used."""
    from minibuild.snapshots.pool_options import PoolOptions
    from minibuild.snapshots.storage import create, directory_of

    check_kind(arguments.operands[0])
    size = [f"dm.loopdatasize={arguments.size}"] if arguments.size else []
    options = PoolOptions.parse([*size, *arguments.storage_opt])
    with session.store() as store:
        create(directory_of(store.root), options)
    session.note("made; minibuild build --snapshotter devicemapper uses it")
    return 0
