"""Options that several commands share, and what they say."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from minibuild.build import daemon
from minibuild.cli.display import CHOICES
from minibuild.errors import UsageError, did_you_mean
from minibuild.oci import Platform

Add: TypeAlias = Callable[..., Any]
"""``add_argument`` of a parser or of a group."""


def add_progress(add: Add, environment: Mapping[str, str]) -> None:
    """``--progress``, whose default is Docker's BUILDKIT_PROGRESS."""
    default = environment.get("BUILDKIT_PROGRESS") or "auto"
    words = "how to show it (default: BUILDKIT_PROGRESS, else auto)"
    add("--progress", metavar="|".join(CHOICES), default=default, help=words)


def add_platform(add: Add, what: str, default: str = "DOCKER_DEFAULT_PLATFORM, else this machine") -> None:
    """``--platform``; ``what`` begins its help."""
    words = f"{what} (default: {default})"
    add("--platform", metavar="OS/ARCH", default="", help=words)


def add_platforms(add: Add, what: str) -> None:
    """``--platform`` of a command that takes several."""
    words = f"{what}; several make an index of images; repeatable (default: DOCKER_DEFAULT_PLATFORM, else this machine)"
    add("--platform", action="append", metavar="OS/ARCH,…", default=[], help=words)


def add_mirrors(add: Add) -> None:
    """``--registry-mirror``, repeatable."""
    add(
        "--registry-mirror",
        action="append",
        default=[],
        metavar="REGISTRY=URL",
        help="ask URL first, such as docker.io=http://127.0.0.1:5000; repeatable; also MINIBUILD_REGISTRY_MIRROR, "
        "several separated by blanks",
    )


def add_machinery(add: Add) -> None:
    """``--runtime`` and ``--snapshotter``."""
    words = "what runs commands (default: the first that works; see `minibuild info`)"
    add("--runtime", metavar="NAME", default="", help=words)
    words = "what keeps the trees they run in (default: the first that works)"
    add("--snapshotter", metavar="NAME", default="", help=words)


def platform_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Platform:
    """``--platform``, else DOCKER_DEFAULT_PLATFORM, else this machine's; raises UsageError."""
    word = arguments.platform or environment.get("DOCKER_DEFAULT_PLATFORM", "")
    return _platform(word)


def platforms_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> tuple[Platform, ...]:
    """As ``platform_of``, each of several once, in their order."""
    words = ",".join(arguments.platform) or environment.get("DOCKER_DEFAULT_PLATFORM", "")
    return tuple(dict.fromkeys(_platform(word.strip()) for word in words.split(",")))


def _platform(word: str) -> Platform:
    return Platform.of_this_machine() if word in ("", "local") else Platform.parse(word)


def check_machinery(arguments: argparse.Namespace) -> None:
    """Raises UsageError for a ``--runtime`` or ``--snapshotter`` that there is none of."""
    from minibuild.sandbox.linux import is_linux

    if not is_linux():  # where there are none at all, which is told when one is needed
        return
    if arguments.runtime not in ("", daemon.NAME):
        from minibuild.runtimes.table import TABLE as RUNTIMES

        _check("--runtime", arguments.runtime, [*RUNTIMES, daemon.NAME])
    if arguments.snapshotter:
        from minibuild.snapshots.table import TABLE as SNAPSHOTTERS

        _check("--snapshotter", arguments.snapshotter, list(SNAPSHOTTERS))


def mirrors_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The ``registry=URL`` words, those of the command line first; raises UsageError with one that can't be."""
    words = (*arguments.registry_mirror, *environment.get("MINIBUILD_REGISTRY_MIRROR", "").split())
    if words:
        from minibuild.registry.endpoints import parse_mirrors

        parse_mirrors(words)
    return words


def _check(option: str, name: str, known: list[str]) -> None:
    if name not in known:
        near = did_you_mean(name, known)
        raise UsageError(f"{option} knows no {name!r}", hint=near or f"choose from {', '.join(known)}")
