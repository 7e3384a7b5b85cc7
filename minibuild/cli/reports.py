"""What checks found, in the formats that people and machines read: text, BuildKit's JSON, GitHub's workflow commands,
and SARIF.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType

from minibuild.cli.rendering import paint, render, render_finding, wants_colour
from minibuild.cli.session import Session
from minibuild.errors import Finding, MinibuildError
from minibuild.source import Source, Span
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """What checks found in a Dockerfile, and the errors that keep it from being built.

    ``place`` is the file as tools find it from the working directory, or an address, or ``-``; the source's name is
    what people call it.
    """

    source: Source
    place: str
    findings: tuple[Finding, ...] = ()
    errors: tuple[MinibuildError, ...] = ()

    @property
    def path(self) -> str:
        """The place, relative where it is below the working directory."""
        if self.place == "-":
            return self.source.name
        near = os.path.relpath(self.place) if os.path.isabs(self.place) else self.place
        return self.place if near.startswith("..") else near


def as_text(report: Report, session: Session) -> str:
    """Warnings and errors with excerpts and hints, and how many there are; no token is repeated."""
    from minibuild.checks.credentials import masked

    parts = [*map(render_finding, report.findings), *([render(report.errors[0])] if report.errors else [])]
    count = _counted(len(report.findings), "finding")
    count += f", {_counted(len(report.errors), 'error')}" if report.errors else ""
    return paint(masked("\n\n".join([*parts, count])), colour=wants_colour(session.output, session.environment))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_json(report: Report, _session: Session) -> str:
    """The shape of BuildKit's lint results, and more: each ``hint``, and all ``errors``, of which ``buildError`` is
    the first. ``data`` is the file in base64.
    """
    from minibuild.cli.rules import rules

    known = rules()
    warnings = [
        {
            "ruleName": finding.rule,
            "description": known[finding.rule].about,
            **({"url": known[finding.rule].url} if known[finding.rule].url else {}),
            "detail": finding.message,
            "hint": finding.hint,
            **location_of(finding.span),
        }
        for finding in report.findings
    ]
    errors = [{"message": error.message, "hint": error.hint, **location_of(error.span)} for error in report.errors]
    data = base64.b64encode(report.source.text.encode("utf-8", "surrogateescape")).decode()
    document: dict[str, object] = {"warnings": warnings, "sources": [{"filename": report.source.name, "data": data}]}
    return json.dumps({**document, **({"buildError": errors[0], "errors": errors} if errors else {})}, indent=2)


def location_of(span: Span | None) -> dict[str, object]:
    """Lines and characters, both counted from 1; the end's character is the first one behind."""
    if span is None:
        return {}
    line, column = span.source.position(span.end)
    start, end = {"line": span.line, "character": span.column}, {"line": line, "character": column}
    return {"location": {"ranges": [{"start": start, "end": end}]}}


def as_workflow_commands(report: Report, _session: Session) -> str:
    """GitHub's workflow commands, one a line: it shows them beside the lines of a change."""
    found = [("warning", each.rule, each.span, each.message, each.hint) for each in report.findings]
    found += [("error", "Dockerfile", each.span, each.message, each.hint) for each in report.errors]
    return "\n".join(_command(report.path, *each) for each in found)


def _command(file: str, kind: str, title: str, span: Span | None, message: str, hint: str) -> str:
    from minibuild.checks.credentials import masked

    place = f"file={_escaped(file, ':,')}," if span else ""
    if span:
        place += f"line={span.line},endLine={span.last_line},col={span.column},"
    return f"::{kind} {place}title={title}::{_escaped(masked(message + (f'; {hint}' if hint else '')))}"


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(c):02X}" if c in f"%\r\n{more}" else c for c in text)


def as_sarif(report: Report, _session: Session) -> str:
    """SARIF 2.1.0, as code scanners and editors read it."""
    from minibuild.cli.sarif import sarif

    return json.dumps(sarif(report.source, report.path, report.findings, report.errors), indent=2)


FORMATS: Mapping[str, Callable[[Report, Session], str]] = MappingProxyType(
    {"text": as_text, "json": as_json, "github": as_workflow_commands, "sarif": as_sarif}
)
"""Name → what writes it; the first is the default."""
