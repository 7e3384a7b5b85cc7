"""``minibuild check``: what there is to warn of in a Dockerfile, without building it or asking any registry."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from minibuild.cli.parser import Pairs, Parser
from minibuild.cli.rendering import paint, render, render_finding, wants_colour
from minibuild.cli.session import Session
from minibuild.errors import DockerfileError, Finding, UsageError, did_you_mean
from minibuild.oci import Image, Platform
from minibuild.source import Span

FORMATS = ("text", "json", "github")


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "check", "Tells what to mend in the Dockerfile of CONTEXT, without building it.", "[CONTEXT]", most=1
    )
    add = parser.add_argument
    add("-f", "--file", metavar="FILE", default="", help="the Dockerfile (default: CONTEXT/Dockerfile)")
    words = "value of an ARG; a bare KEY takes the environment's; repeatable"
    add("--build-arg", action=Pairs, missing=environment.get, metavar="KEY[=VALUE]", help=words)
    add("--format", metavar="|".join(FORMATS), default="text", help="how to show what was found (default: text)")
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Shows the findings; 1 where there are any, or an error."""
    if arguments.format not in FORMATS:
        hint = did_you_mean(arguments.format, FORMATS) or f"choose from {', '.join(FORMATS)}"
        raise UsageError(f"--format knows no {arguments.format!r}", hint=hint)
    context = Path(arguments.operands[0] if arguments.operands else ".")
    findings, error = examined(context, arguments.file, arguments.build_arg)
    if arguments.format == "text":
        parts = [*map(render_finding, findings), *([render(error)] if error else [])]
        count = f"{len(findings)} finding{'' if len(findings) == 1 else 's'}"
        text = "\n\n".join([*parts, count])
        session.print(paint(text, colour=wants_colour(session.output, session.environment)))
    elif arguments.format == "json":
        session.print(json.dumps(document(findings, error), indent=2))
    else:
        for line in workflow_commands(findings, error):
            session.print(line)
    return 1 if findings or error else 0


def examined(
    context: Path, file: str, arguments: Mapping[str, str]
) -> tuple[tuple[Finding, ...], DockerfileError | None]:
    """What checks find, advice too; and the error that keeps the Dockerfile from being planned, None for none."""
    from minibuild.build.context import open_context, read_dockerfile
    from minibuild.build.window import window_on
    from minibuild.checks import CHECKS, Subject, examine
    from minibuild.checks.advice import ADVICE
    from minibuild.plan import Options, plan, read

    open_context(context)
    source, ignore = read_dockerfile(context, file)
    unknown: set[str] = set()

    def lookup(name: str, platform: Platform, _span: Span) -> Image:
        unknown.add(name)
        return Image.scratch(platform)

    try:
        dockerfile = read(source)
        planned = plan(dockerfile, lookup, Options(build_arguments=arguments, all_stages=True))
        subject = Subject(dockerfile, planned, arguments, window_on(ignore), frozenset(unknown))
        return examine(subject, (*CHECKS, *ADVICE)), None
    except DockerfileError as error:
        return (), error


def document(findings: Sequence[Finding], error: DockerfileError | None) -> dict[str, object]:
    """The findings in the shape of BuildKit's lint results."""
    warnings = [
        {"ruleName": finding.rule, "description": finding.hint, "detail": finding.message, **_location(finding.span)}
        for finding in findings
    ]
    failed = {"buildError": {"message": error.message, **_location(error.span)}} if error else {}
    return {"warnings": warnings, **failed}


def _location(span: Span | None) -> dict[str, object]:
    if span is None:
        return {}
    start = {"line": span.line, "character": span.column}
    return {"location": {"ranges": [{"start": start, "end": {"line": span.last_line}}]}}


def workflow_commands(findings: Sequence[Finding], error: DockerfileError | None) -> list[str]:
    """The findings as GitHub's workflow commands."""
    lines = [_annotation("warning", each.span, each.rule, each.message, each.hint) for each in findings]
    errors = (error, *error.others) if error else ()
    return lines + [_annotation("error", each.span, "Dockerfile", each.message, each.hint) for each in errors]


def _annotation(kind: str, span: Span | None, title: str, message: str, hint: str) -> str:
    place = f"file={_escaped(span.source.name, ':,')},line={span.line},col={span.column}," if span else ""
    return f"::{kind} {place}title={title}::{_escaped(message + (f'; {hint}' if hint else ''))}"


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{more}" else c for c in text)
