"""``minibuild login``: a name and a password for a registry, tried and kept where docker keeps them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import closing

from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.errors import UsageError


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser("login", "Keeps a name and a password for a registry, if it takes them.", "[REGISTRY]", most=1)
    add = parser.add_argument
    add("-u", "--username", metavar="NAME", default="", help="the name; asked for on a terminal")
    add("--password-stdin", action="store_true", help="read the password from standard input")
    words = "the password, for all to see who list processes: better --password-stdin"
    add("-p", "--password", metavar="WORDS", default="", help=words)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Asks the registry before anything is kept."""
    from minibuild.registry.client import Client
    from minibuild.registry.credentials import Credential
    from minibuild.registry.keeping import Keeping

    registry = registry_of(arguments.operands)
    credential = Credential("the command line", arguments.username or _asked("Username: "), _password(arguments))
    with closing(Client({}, session.environment, credential=credential)) as client:
        client.introduce(registry)
    place = Keeping(session.environment).keep(registry, credential)
    session.print(f"{registry} knows {credential.username}; kept in {place}")
    return 0


def registry_of(operands: tuple[str, ...]) -> str:
    """The registry's name, docker.io where none is given; raises UsageError for what is none."""
    from minibuild.oci import Reference

    word = (operands[0] if operands else "docker.io").removeprefix("https://").removeprefix("http://").rstrip("/")
    if word in ("index.docker.io/v1", "registry-1.docker.io"):
        word = "docker.io"
    reference = Reference.parse(f"{word}/a/b")
    if reference.repository != "a/b":
        raise UsageError(f"{word!r} is no registry's name", hint="a registry is HOST or HOST:PORT")
    return reference.registry


def _password(arguments: argparse.Namespace) -> str:
    if arguments.password and arguments.password_stdin:
        raise UsageError("--password and --password-stdin are both given, wanted one")
    if arguments.password_stdin:
        if not arguments.username:
            raise UsageError("--password-stdin wants --username too")
        password = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    else:
        password = arguments.password or _secretly_asked()
    if not password:
        raise UsageError("the password is empty")
    return password


def _asked(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise UsageError("standard input is no terminal to ask for a name", hint="-u NAME --password-stdin")
    return input(prompt)


def _secretly_asked() -> str:
    from getpass import getpass

    if not sys.stdin.isatty():
        raise UsageError("standard input is no terminal to ask for a password", hint="--password-stdin reads it")
    return getpass()
