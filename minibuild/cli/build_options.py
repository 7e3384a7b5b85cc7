"""The options of ``build``: Docker's where we have them; ``foreign`` has those of others that we don't."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.attestations import add_attestations
from minibuild.cli.caches import add_caches
from minibuild.cli.foreign import add_foreign, pull_policy
from minibuild.cli.locking import add_lock_file
from minibuild.cli.offline import add_offline
from minibuild.cli.options import add_machinery, add_mirrors, add_platforms, add_progress
from minibuild.cli.outputs import LOADING
from minibuild.cli.parser import Pairs, Parser
from minibuild.cli.surroundings import add_surroundings
from minibuild.errors import UsageError


def build_parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of ``minibuild build``; some defaults come out of the environment, as Docker's do."""
    parser = Parser(
        "build",
        "Builds an image from a Dockerfile and the files of CONTEXT: a directory (default: the one you are in), a "
        "tarball, a URL, a git address, or - for a tar or a Dockerfile on standard input.",
        "[CONTEXT]",
        most=1,
    )
    add_input(parser, environment)
    _add_result(parser)
    _add_manner(parser, environment)
    add_caches(parser)
    add_surroundings(parser)
    add_foreign(parser)
    return parser


def add_input(parser: Parser, environment: Mapping[str, str]) -> None:
    """Adds the options that say what is to be built."""
    add = parser.add_argument_group("what to build").add_argument
    words = "the Dockerfile (default: CONTEXT/Dockerfile): a path, - for standard input, or a URL"
    add("-f", "--file", metavar="FILE", default="", help=words)
    add(
        "--build-arg",
        action=Pairs,
        missing=environment.get,
        metavar="KEY[=VALUE]",
        help="value of an ARG; a bare KEY takes the environment's; repeatable",
    )
    add(
        "--source-date-epoch",
        type=_epoch,
        default={},
        metavar="WHEN",
        help="when what the build dates was made: seconds since 1970, context (its newest file, or a repository's "
        "commit), or a stage that ADDs one thing (default: SOURCE_DATE_EPOCH)",
    )
    add(
        "--build-context",
        action=Pairs,
        metavar="NAME=PLACE",
        help="what NAME means in FROM and --from: docker-archive:FILE, oci-layout:DIR, docker-image://NAME; or in "
        "--from only: files, as a directory, a tarball, a URL or a git address; repeatable",
    )
    words = "the stages to build (default: the last); repeatable; -t, --iidfile and -o are about the last one"
    add("--target", action="append", default=[], metavar="STAGE,…", help=words)
    add("--all-stages", action="store_true", help="build the stages too that no target needs")
    add_platforms(add, "what to build for")
    add("--label", action=Pairs, missing=_empty, metavar="KEY=VALUE", help="label of the result; repeatable")
    words = "what its manifest says besides, or with a type its index, or the list that names it; repeatable"
    add("--annotation", action="append", default=[], metavar="[TYPE[PLATFORM]:]KEY=VALUE", help=words)


def _epoch(word: str) -> dict[str, str]:
    """The build argument that it is."""
    return {"SOURCE_DATE_EPOCH": word}


def _load(word: str) -> str:
    """The type of output that it is, docker's ``true`` and ``false`` among them; raises UsageError."""
    kind = {"true": "docker", "false": ""}.get(word, word)
    if kind not in ("", *LOADING):
        raise UsageError(f"--load wants {', '.join(LOADING)}, got {word!r}", hint="alone, it means docker")
    return kind


def _squash(word: str) -> str:
    """The manner that it is, docker's ``true`` and ``false`` among them; raises UsageError."""
    manner = {"true": "base", "false": ""}.get(word, word)
    if not manner:
        return ""
    from minibuild.build.squashing import MANNERS

    if manner not in MANNERS:
        hint = "; ".join(f"{name}: {what}" for name, what in MANNERS.items())
        raise UsageError(f"--squash wants {', '.join(MANNERS)}, got {word!r}", hint=hint)
    return manner


def _empty(_key: str) -> str:
    """What docker takes for the value of a label that has none."""
    return ""


def _add_result(parser: Parser) -> None:
    add = parser.add_argument_group("what comes out").add_argument
    add(
        "-t",
        "--tag",
        action="append",
        default=[],
        metavar="[STAGE=]NAME[:TAG]",
        help="name of the result in the store, or of one of several targets; repeatable",
    )
    add(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="PLACE",
        help="where it goes, besides the store; DIR or type=local,dest=DIR: its files; - or type=tar,dest=FILE: the "
        "same as a tar; type=docker,dest=FILE or type=oci,dest=FILE: an archive for `docker load`; "
        "type=docker: the daemon; type=registry: the registry of its name; …,target=STAGE: of one of several targets; "
        "repeatable",
    )
    words = "hand the result to the docker daemon (DOCKER_HOST) or another: the same as -o type=docker, podman, nerdctl"
    add("--load", type=_load, nargs="?", const="docker", default="", metavar="docker|podman|nerdctl", help=words)
    add("--push", action="store_true", help="put the result into the registries of its names: -o type=registry")
    add_attestations(add)
    words = "make one layer of those on top of the base (the default), of each stage's, or of all"
    add("--squash", type=_squash, nargs="?", const="base", default="", metavar="base|stage|all", help=words)
    add("-q", "--quiet", action="store_true", help="print the image ID alone, on standard output")
    add("--iidfile", metavar="FILE", help="write the image ID there")
    add("--digest-file", metavar="FILE", help="write the manifest's digest there, that of the registry after a push")
    add("--metadata-file", metavar="FILE", help="write digests and names there, as JSON")


def _add_manner(parser: Parser, environment: Mapping[str, str]) -> None:
    add = parser.add_argument_group("how to build").add_argument
    words = "what to do instead of building: check it, or list its targets or what the target takes (default: build)"
    add("--call", metavar="build|check|targets|outline[,format=json]", default="build", help=words)
    add("--print", dest="call", default="build", help=argparse.SUPPRESS)
    add("--check", dest="call", action="store_const", const="check", help="the same as --call=check")
    add("--no-cache", action="store_true", help="run every step")
    words = "run every step of these stages; repeatable"
    add("--no-cache-filter", action="append", default=[], metavar="STAGE,…", help=words)
    words = "ask the registry even for images that the store has (always), or only for others (missing)"
    add("--pull", type=pull_policy, nargs="?", const=True, default=False, metavar="always|missing", help=words)
    add("--locked", action="store_true", help="take what minibuild.lock names, and nothing else")
    add_lock_file(add)
    add_offline(add)
    add_mirrors(add)
    add_progress(add, environment)
    add_machinery(add)
