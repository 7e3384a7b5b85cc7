"""The options of ``build`` that say what RUN has around it."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.cli.confining import add_security_options, security_of
from minibuild.cli.networks import add_names, network_called, resolver_of
from minibuild.cli.parser import Parser
from minibuild.errors import UsageError, did_you_mean
from minibuild.instructions.notation import parse_size
from minibuild.registry.offline import is_offline

if TYPE_CHECKING:
    from minibuild.build.surroundings import Secret, SshAgent, Surroundings
    from minibuild.runtimes.base import Limit, Network

# On the host's network, the host is itself.
_GATEWAY = "127.0.0.1"


def add_surroundings(parser: Parser) -> None:
    """Adds the options to a parser."""
    add = parser.add_argument_group("what RUN has around it").add_argument
    words = "what RUN --mount=type=secret,id=ID sees; ID alone: the variable of that name, else the file; repeatable"
    add("--secret", action="append", default=[], metavar="id=ID[,src=FILE|,env=NAME]", help=words)
    words = "what RUN --mount=type=ssh sees: your agent, another's socket, or keys in files; repeatable"
    add("--ssh", action="append", default=[], metavar="default|ID[=SOCKET|=KEY,…]", help=words)
    words = (
        "the network of RUN unless it says which: this machine's (default), one of its own that reaches out but not "
    )
    words += "to this machine's loopback, by slirp4netns or pasta (or the one that is named), or none"
    add("--network", metavar="default|host|none|private|slirp4netns|pasta", default="default", help=words)
    add_names(add)
    words = "a line of /etc/hosts; host-gateway is this machine; repeatable"
    add("--add-host", action="append", default=[], metavar="NAME:ADDRESS", help=words)
    words = (
        "permit what a Dockerfile may want: network.host where the network isn't host, security.insecure; repeatable"
    )
    add("--allow", action="append", default=[], metavar="PERMISSION", help=words)
    words = "bind a file or directory of this machine in every RUN; repeatable"
    add("-v", "--volume", action="append", default=[], metavar="SOURCE:TARGET[:ro]", help=words)
    add("--shm-size", metavar="SIZE", default="", help="the size of /dev/shm (default: 64m)")
    words = "a limit of every process, such as nofile=1024:4096; repeatable"
    add("--ulimit", action="append", default=[], metavar="NAME=SOFT[:HARD]", help=words)
    add_security_options(add)
    add("-m", "--memory", metavar="SIZE", default="", help="how much memory a RUN may take, by runc's cgroups")
    add("--cpus", metavar="NUMBER", default="", help="how many processors a RUN may keep busy, by runc's cgroups")


def surroundings_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Surroundings:
    """What the options say; raises UsageError."""
    from minibuild.build.surroundings import Surroundings
    from minibuild.cli.run import mount_of
    from minibuild.runtimes.base import SHM_SIZE

    profile, no_new_privileges = security_of(arguments.security_opt)
    given = network_called("none" if arguments.network == "default" and is_offline(environment) else arguments.network)
    return Surroundings(
        network=given,
        permissions=frozenset(_permission(word) for words in arguments.allow for word in words.split(",")),
        hosts=tuple(_host(word, given) for word in arguments.add_host),
        resolver=resolver_of(arguments),
        ca_bundle=arguments.ca_bundle,
        shm_size=_size("--shm-size", arguments.shm_size) or SHM_SIZE,
        limits=tuple(map(_limit, arguments.ulimit)),
        memory=_size("--memory", arguments.memory),
        processors=_processors(arguments.cpus),
        volumes=tuple(map(mount_of, arguments.volume)),
        secrets=dict(_secret(words, environment) for words in arguments.secret),
        agents=dict(_agent(words, environment) for words in arguments.ssh),
        seccomp=profile,
        no_new_privileges=no_new_privileges,
    )


def _permission(word: str) -> str:
    from minibuild.build.surroundings import PERMISSIONS

    if word not in PERMISSIONS:
        near = did_you_mean(word, PERMISSIONS)
        raise UsageError(f"--allow {word} is not supported", hint=near or f"choose from {', '.join(PERMISSIONS)}")
    return word


def _host(word: str, network: Network) -> tuple[str, str]:
    import ipaddress

    name, separator, address = word.partition("=") if "=" in word else word.partition(":")
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    if not separator or not re.fullmatch(r"[^\s=:#]+", name):
        raise UsageError(f"--add-host {word!r} wants NAME:ADDRESS")
    if bare == "host-gateway":
        from minibuild.runtimes.base import is_private

        if is_private(network):
            raise UsageError(
                f"--add-host {word!r} means this machine's loopback, which no private network reaches",
                hint="write an address by which others reach this machine",
            )
        return name, _GATEWAY
    try:
        return name, str(ipaddress.ip_address(bare))
    except ValueError:
        raise UsageError(f"--add-host {word!r} wants an address after {name}, got {bare!r}") from None


def _size(option: str, word: str) -> int:
    size = parse_size(word) if word else 0
    if size is None or (word and not size):
        raise UsageError(f"{option} wants a size such as 64m, got {word!r}")
    return size


def _processors(word: str) -> float:
    if not word:
        return 0
    if not re.fullmatch(r"[0-9]*\.?[0-9]+", word) or not float(word) >= 0.01:
        raise UsageError(f"--cpus wants a number such as 1.5, at least 0.01, got {word!r}")
    return float(word)


def _limit(word: str) -> Limit:
    from minibuild.runtimes.base import Limit
    from minibuild.runtimes.limits import NAMES

    name, _, values = word.partition("=")
    if name not in NAMES:
        near = did_you_mean(name, NAMES)
        raise UsageError(
            f"--ulimit {word!r} limits nothing that there is", hint=near or f"choose from {', '.join(NAMES)}"
        )
    found = re.fullmatch(r"(-1|[0-9]{1,18})(?::(-1|[0-9]{1,18}))?", values)
    if found is None:
        raise UsageError(f"--ulimit {word!r} wants {name}=SOFT[:HARD], numbers, -1 for no limit")
    soft, hard = int(found[1]), int(found[2] or found[1])
    if hard >= 0 and (soft < 0 or soft > hard):
        raise UsageError(f"--ulimit {word!r} has a soft limit above the hard one")
    return Limit(name, soft, hard)


def _secret(words: str, environment: Mapping[str, str]) -> tuple[str, Secret]:
    from minibuild.build.surroundings import Secret

    given = _pairs("--secret", words, {"id": "id", "src": "src", "source": "src", "env": "env", "type": "type"})
    name = given.get("id", "")
    if not name:
        raise UsageError(f"--secret {words!r} wants an id", hint="--secret id=NAME,src=FILE")
    kind = given.get("type", "")
    if kind not in ("", "file", "env") or ("src" in given and "env" in given):
        raise UsageError(f"--secret {words!r} is a file (src) or a variable (env)")
    variable = given.get("env") or (given.get("src", "") if kind == "env" else "")
    file = given.get("src", "") if kind != "env" else ""
    if not variable and not file:
        variable, file = (name, "") if kind == "env" or (kind != "file" and name in environment) else ("", name)
    if variable:
        if variable not in environment:
            raise UsageError(f"--secret {name}: the variable {variable} is not set")
        return name, Secret(value=environment[variable])
    path = Path(os.path.expanduser(file))
    if not path.is_file():
        raise UsageError(f"--secret {name}: there is no file {file}", hint="name one by src=, or a variable by env=")
    return name, Secret(path.absolute())


def _agent(words: str, environment: Mapping[str, str]) -> tuple[str, SshAgent]:
    from minibuild.build.surroundings import SshAgent

    name, _, rest = words.partition("=")
    given = [part for part in rest.split(",") if part] or [environment.get("SSH_AUTH_SOCK", "")]
    if given == [""]:
        raise UsageError(
            f"--ssh {name}: no agent runs (SSH_AUTH_SOCK is not set)", hint=f"name a key: --ssh {name}=FILE"
        )
    paths = [Path(os.path.expanduser(word)).absolute() for word in given]
    for path in paths:
        if not path.exists():
            raise UsageError(f"--ssh {name}: {path} doesn't exist")
    sockets = [path for path in paths if path.is_socket()]
    if not sockets:
        return name, SshAgent(keys=tuple(paths))
    if len(paths) > 1:
        raise UsageError(f"--ssh {words!r} names a socket beside others", hint="one socket, or keys in files")
    return name, SshAgent(sockets[0])


def _pairs(option: str, words: str, known: Mapping[str, str]) -> dict[str, str]:
    import csv

    pairs: dict[str, str] = {}
    fields: Sequence[str] = next(csv.reader([words]), [])
    for field in fields:
        key, equals, value = field.partition("=")
        chief = known.get(key.strip().lower())
        if chief is None or not equals:
            raise UsageError(f"{option} has no {key!r}", hint=did_you_mean(key, list(known)) or f"{', '.join(known)}")
        pairs[chief] = value
    return pairs
