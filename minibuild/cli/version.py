"""``minibuild version``: which minibuild this is. ``main`` answers the bare word itself, without this module."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from minibuild.cli.listing import listing
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.template_functions import Record
from minibuild.oci import Platform
from minibuild.version import __version__


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser("version", "Shows the version.")
    parser.add_argument(
        "--format", metavar="FORM", default="", help="json, or a Go template; fields: Version, Python, Platform"
    )
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Prints the version, or what the template asks of it."""
    python = ".".join(map(str, sys.version_info[:3]))
    row = Record({"Version": __version__, "Python": python, "Platform": str(Platform.of_this_machine())})
    session.output.write(listing([row], arguments.format or "minibuild {{.Version}}", {}, ()))
    return 0
