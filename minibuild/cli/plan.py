"""``minibuild plan``: what a build would do and what it would find in the cache, without building."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.build import asked_of, of_one_platform
from minibuild.cli.build_options import add_input
from minibuild.cli.drawing import FORMATS, draw
from minibuild.cli.options import add_mirrors
from minibuild.cli.parser import Parser
from minibuild.cli.rendering import wants_colour
from minibuild.cli.session import Session
from minibuild.cli.signals import interruptible
from minibuild.cli.surroundings import add_surroundings
from minibuild.errors import UsageError, did_you_mean


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command: the options of ``build`` that its steps depend on."""
    parser = Parser(
        "plan",
        "Shows the stages of a build, what their steps do, and which of them are cached, without building. Nothing is "
        "written; of base images that the store hasn't only the manifest is fetched.",
        "[CONTEXT]",
        most=1,
    )
    words = f"how to show it: {', '.join(FORMATS)} (default: text); dot is for graphviz, svg a picture"
    parser.add_argument("--format", metavar="|".join(FORMATS), default="text", help=words)
    add_input(parser, environment)
    add = parser.add_argument_group("how to build").add_argument
    add("--pull", action="store_true", help="ask the registry even for images that the store has")
    add_mirrors(add)
    add_surroundings(parser)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Looks ahead, and draws what there is to see."""
    if arguments.format not in FORMATS:
        hint = did_you_mean(arguments.format, list(FORMATS)) or f"choose from {', '.join(FORMATS)}"
        raise UsageError(f"--format knows no {arguments.format!r}", hint=hint)
    request = of_one_platform(asked_of(arguments, session.environment))
    from minibuild.build.predicting import predict
    from minibuild.checks.credentials import masked
    from minibuild.store.reading import StoreToRead

    with StoreToRead.at(session.root) as store, interruptible() as cancellation:
        plan, forecast = predict(request, store, cancellation)
    shown = masked(draw(arguments.format, plan, forecast))
    if arguments.format == "text" and wants_colour(session.output, session.environment):
        from minibuild.cli.drawing.text import paint

        shown = paint(shown)
    session.output.write(shown)
    return 0
