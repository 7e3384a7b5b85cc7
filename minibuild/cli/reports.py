"""What checks found, in the formats that people and machines read: text, JSON, GitHub's workflow commands."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from minibuild.cli.rendering import paint, render, render_finding, wants_colour
from minibuild.cli.session import Session
from minibuild.errors import Finding, MinibuildError
from minibuild.source import Source, Span


@dataclass(frozen=True, slots=True)
class Report:
    """What checks found in a Dockerfile, and the errors that keep it from being built.

    ``place`` is the file as tools find it from the working directory; the source's name is what people call it.
    """

    source: Source
    place: str
    findings: tuple[Finding, ...] = ()
    errors: tuple[MinibuildError, ...] = ()


def as_text(report: Report, session: Session) -> str:
    """Warnings and errors with excerpts and hints, and how many there are."""
    parts = [*map(render_finding, report.findings), *([render(report.errors[0])] if report.errors else [])]
    count = f"{len(report.findings)} finding{'' if len(report.findings) == 1 else 's'}"
    return paint("\n\n".join([*parts, count]), colour=wants_colour(session.output, session.environment))


def as_json(report: Report, _session: Session) -> str:
    """The shape of BuildKit's lint results."""
    warnings = [
        {"ruleName": finding.rule, "description": finding.hint, "detail": finding.message, **_location(finding.span)}
        for finding in report.findings
    ]
    errors = [{"message": error.message, **_location(error.span)} for error in report.errors]
    return json.dumps({"warnings": warnings, **({"buildError": errors[0]} if errors else {})}, indent=2)


def _location(span: Span | None) -> dict[str, object]:
    if span is None:
        return {}
    start = {"line": span.line, "character": span.column}
    return {"location": {"ranges": [{"start": start, "end": {"line": span.last_line}}]}}


def as_workflow_commands(report: Report, _session: Session) -> str:
    """GitHub's workflow commands, one a line: it shows them beside the lines of a change."""
    found = [("warning", each.rule, each.span, each.message, each.hint) for each in report.findings]
    found += [("error", "Dockerfile", each.span, each.message, each.hint) for each in report.errors]
    return "\n".join(_command(report.place, *each) for each in found)


def _command(file: str, kind: str, title: str, span: Span | None, message: str, hint: str) -> str:
    place = f"file={_escaped(file, ':,')},line={span.line},col={span.column}," if span else ""
    return f"::{kind} {place}title={title}::{_escaped(message + (f'; {hint}' if hint else ''))}"


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{more}" else c for c in text)


FORMATS: Mapping[str, Callable[[Report, Session], str]] = MappingProxyType(
    {"text": as_text, "json": as_json, "github": as_workflow_commands}
)
"""Name → what writes it; the first is the default."""
