"""``minibuild run``: a container of an image, by the same snapshotters and runtimes that run RUN."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.cli.confining import add_security_options, security_of
from minibuild.cli.finding import find_image
from minibuild.cli.networks import add_names, network_called, resolver_of
from minibuild.cli.options import add_machinery, add_platform, check_machinery, platform_of
from minibuild.cli.parser import Noted, Pairs, Parser, Refused, RefusedUnless
from minibuild.cli.session import Session
from minibuild.cli.signals import interruptible
from minibuild.errors import UsageError

if TYPE_CHECKING:
    from minibuild.runtimes.base import Mount, Network

_ALIKE = "a container has Docker's default capabilities and no more"
_REFUSED: Mapping[str, str] = {
    "--add-host": "write the name in the container's /etc/hosts",
    "--cap-add": _ALIKE,
    "--cap-drop": _ALIKE,
    "--device": "bind what it needs by -v",
    "--hostname": "leave it out",
    "--mount": "use -v SOURCE:TARGET[:ro]",
    "--tmpfs": "bind a directory by -v",
    "--ulimit": "set limits in the shell that starts minibuild: ulimit -n 4096",
}
_REFUSED_SWITCHES: Mapping[str, str] = {
    "--detach": "let the shell do it: minibuild run … &",
    "--init": "name an init in the image's ENTRYPOINT",
    "--privileged": _ALIKE,
    "--publish-all": "the container has the host's network: its ports are the host's",
    "--read-only": "what a container writes is thrown away at its end",
}
_SHORT = {"--detach": "-d", "--hostname": "-h", "--publish-all": "-P"}


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command; what follows the image is the container's."""
    parser = Parser(
        "run",
        "Runs a command (default: the image's own) in a container, and throws away what it wrote.",
        "IMAGE [COMMAND…]",
        least=1,
        most=None,
    )
    parser.stops = True
    _add_process(parser, environment)
    _add_surroundings(parser)
    _add_docker(parser)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Runs the container and answers its exit status."""
    word, *command = arguments.operands
    check_machinery(arguments)
    volumes = tuple(map(mount_of, arguments.volume))
    profile, no_new_privileges = security_of(arguments.security_opt)
    variables = {**variables_of(arguments.env_file, session.environment), **arguments.env}
    published = (_published(word, arguments.network) for word in arguments.publish)
    for note in (*getattr(arguments, "notes", ()), *published):
        session.note(f"note: {note}")
    _arrange_input(arguments)
    with session.store() as store:
        from minibuild.build.container import ContainerRequest
        from minibuild.build.container import run as run_container
        from minibuild.sandbox.entering import enter_if_possible

        image = find_image(store, word, platform_of(arguments, session.environment))
        enter_if_possible()
        request = ContainerRequest(
            image=image,
            arguments=tuple(command),
            environment=variables,
            volumes=volumes,
            directory=arguments.workdir,
            user=arguments.user,
            entrypoint=_entrypoint(arguments.entrypoint),
            network=arguments.network,
            resolver=resolver_of(arguments),
            ca_bundle=arguments.ca_bundle,
            runtime=arguments.runtime,
            snapshotter=arguments.snapshotter,
            seccomp=profile,
            no_new_privileges=no_new_privileges,
        )
        with interruptible() as cancellation:
            return run_container(request, store, lambda line, _stream: session.print(line), cancellation)


def _add_process(parser: Parser, environment: Mapping[str, str]) -> None:
    add = parser.add_argument
    words = "set a variable; a bare KEY takes the environment's; repeatable"
    add("-e", "--env", action=Pairs, missing=environment.get, metavar="KEY[=VALUE]", help=words)
    add("--env-file", action="append", default=[], metavar="FILE", help="variables, one a line; repeatable")
    add("-w", "--workdir", metavar="DIR", default="", help="the directory to start in (default: the image's)")
    add("-u", "--user", metavar="USER[:GROUP]", default="", help="name or number (default: the image's)")
    words = "instead of the image's entry point and command; '' for none"
    add("--entrypoint", metavar="PROGRAM", help=words)
    add("-i", "--interactive", action="store_true", help="pass standard input on (else it is empty)")
    add("-t", "--tty", action="store_true", help="with -i: insist on a terminal, which the container then has")


def _add_surroundings(parser: Parser) -> None:
    add = parser.add_argument
    words = "bind a file or directory of this machine; repeatable"
    add("-v", "--volume", action="append", default=[], metavar="SOURCE:TARGET[:ro]", help=words)
    words = "this machine's (default), none, or one of its own that reaches out but not to this machine's loopback"
    kinds = "host|none|private|slirp4netns|pasta"
    add("--network", "--net", metavar=kinds, type=network_called, default="host", help=words)
    add_names(add)
    words = "accepted: the container has the host's network and ports"
    add("-p", "--publish", action="append", default=[], metavar="PORT", help=words)
    add("--rm", action="store_true", help="accepted: a container is always removed at its end")
    add_security_options(add)
    add_platform(add, "which of several platforms")
    add_machinery(add)


def _add_docker(parser: Parser) -> None:
    for table, nargs in ((_REFUSED, None), (_REFUSED_SWITCHES, 0)):
        for name, instead in table.items():
            names = (_SHORT[name], name) if name in _SHORT and name != "--hostname" else (name,)
            parser.add_argument(*names, action=Refused, instead=instead, nargs=nargs)
    for name in ("--name", "--label", "--restart", "--stop-signal"):
        parser.add_argument(name, action=Noted, reason="no container is kept")
    parser.add_argument(
        "--pull", action=RefusedUnless, fine=("missing", "never"), instead="minibuild pull IMAGE asks the registry"
    )


def _entrypoint(word: str | None) -> tuple[str, ...] | None:
    if word is None:
        return None
    return (word,) if word else ()


def mount_of(word: str) -> Mount:
    """What ``-v SOURCE:TARGET[:ro]`` binds; raises UsageError."""
    from minibuild.runtimes.base import Mount

    source, _, rest = word.partition(":")
    target, _, options = rest.partition(":")
    if not target:
        raise UsageError(
            f"--volume {word!r} wants SOURCE:TARGET", hint="volumes without a source are not supported yet"
        )
    if not source.startswith(("/", ".")):
        raise UsageError(f"--volume {word!r} names a volume, wanted a path", hint=f"a directory here is ./{source}")
    if not target.startswith("/"):
        raise UsageError(f"--volume {word!r} has {target!r} for a target, wanted an absolute path")
    unknown = set(filter(None, options.split(","))) - {"ro", "rw", "z", "Z"}
    if unknown:
        raise UsageError(f"--volume {word!r} has the option {sorted(unknown)[0]!r}, wanted ro or rw")
    path = Path(source).absolute()
    if not path.exists():
        raise UsageError(f"--volume {word!r}: {path} doesn't exist", hint="make it first")
    return Mount(path, target, read_only="ro" in options.split(","))


def variables_of(files: list[str], environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of ``--env-file``, a bare KEY with the environment's value; raises UsageError."""
    variables: dict[str, str] = {}
    for name in files:
        try:
            text = Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--env-file {name} can't be read ({error})") from error
        for line in text.splitlines():
            key, equals, value = line.lstrip().partition("=")
            if not key or key.startswith("#"):
                continue
            if equals or key in environment:
                variables[key] = value if equals else environment[key]
    return variables


def _published(word: str, network: Network) -> str:
    if network != "host":
        raise UsageError(f"-p {word}: nobody reaches a container by --network {network}", hint="choose --network host")
    host, _, container = word.rpartition(":")
    reached = container.partition("/")[0]
    same = host.rpartition(":")[2] in ("", reached)
    moved = "" if same else f", not on {host}"
    return f"-p {word}: the container has the host's network, so its port {reached} is the host's{moved}"


def _arrange_input(arguments: argparse.Namespace) -> None:
    if arguments.interactive:
        if arguments.tty and not sys.stdin.isatty():
            raise UsageError("-t wants a terminal, standard input is none", hint="leave -t out")
        return
    # The container inherits our standard input, which is nobody else's from here on.
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
