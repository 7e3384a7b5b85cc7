"""``minibuild check``: what there is to warn of in a Dockerfile, without building it or asking any registry."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.checking import CheckRequest, check_and_show
from minibuild.cli.options import add_platform, platform_of
from minibuild.cli.parser import Pairs, Parser
from minibuild.cli.reports import FORMATS
from minibuild.cli.session import Session


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "check", "Tells what to mend in the Dockerfile of CONTEXT, without building it.", "[CONTEXT]", most=1
    )
    add = parser.add_argument
    add("-f", "--file", metavar="FILE", default="", help="the Dockerfile (default: CONTEXT/Dockerfile)")
    words = "value of an ARG; a bare KEY takes the environment's; repeatable"
    add("--build-arg", action=Pairs, missing=environment.get, metavar="KEY[=VALUE]", help=words)
    words = "what NAME means in FROM and --from; repeatable"
    add("--build-context", action=Pairs, metavar="NAME=PLACE", help=words)
    add_platform(add, "what would be built for")
    words = "name what docker, podman, kaniko or legacy (docker without BuildKit) drop or refuse; repeatable"
    add("--target", action="append", default=[], metavar="TOOL,…", help=words)
    add("--format", metavar="|".join(FORMATS), default="text", help="how to show what was found (default: text)")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Shows the findings; 1 where there are any, or an error."""
    request = CheckRequest(
        context=arguments.operands[0] if arguments.operands else ".",
        dockerfile=arguments.file,
        build_arguments=arguments.build_arg,
        named_contexts=arguments.build_context,
        platform=platform_of(arguments, session.environment),
        tools=tuple(tool.strip() for words in arguments.target for tool in words.split(",") if tool.strip()),
    )
    from minibuild.build.inputs import Access

    return check_and_show(request, arguments.format, session, Access(environment=session.environment))
