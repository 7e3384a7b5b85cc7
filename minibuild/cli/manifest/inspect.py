"""``minibuild manifest inspect``: an index, or an image's manifest, as it is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping

from minibuild.cli.manifest.lists import PLACES, sources
from minibuild.cli.options import add_mirrors
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.template import Template
from minibuild.errors import UsageError


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    words = f"Shows an index, or an image's manifest, as JSON. NAME is {PLACES}."
    parser = Parser("manifest inspect", words, "NAME", least=1, most=1)
    add = parser.add_argument
    add("--raw", action="store_true", help="to the byte, so that its sha256 is its digest")
    words = "a Go template of the JSON, such as '{{range .manifests}}{{println .digest}}{{end}}'"
    add("-f", "--format", metavar="FORM", default="", help=words)
    add_mirrors(add)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Shows what the name stands for: of an index, the index itself."""
    if arguments.raw and arguments.format:
        raise UsageError("--raw and --format are two ways to show one thing", hint="leave one out")
    template = Template.parse(arguments.format) if arguments.format else None
    with sources(arguments, session) as found:
        raw = found.document(arguments.operands[0])
    if arguments.raw:
        session.output.buffer.write(raw)
    elif template:
        session.print(template.render(json.loads(raw)))
    else:
        session.print(json.dumps(json.loads(raw), indent=4, ensure_ascii=False))
    return 0
