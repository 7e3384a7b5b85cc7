"""Findings in SARIF 2.1.0, the format of OASIS that code scanners and editors read.

Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from minibuild.cli.rules import Rule, rules
from minibuild.errors import Finding, MinibuildError
from minibuild.source import Source, Span
from minibuild.version import __version__

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ERROR = Rule("DockerfileError", "the Dockerfile says a build", "error")


def sarif(
    source: Source, path: str, findings: Sequence[Finding], errors: Sequence[MinibuildError]
) -> dict[str, object]:
    """The log of one run over one Dockerfile; ``path`` is where tools find it."""
    known = [*rules().values(), _ERROR]
    numbers = {rule.name: number for number, rule in enumerate(known)}
    told = [("warning", each.rule, each.message, each.hint, each.span) for each in findings]
    told += [("error", _ERROR.name, each.message, each.hint, each.span) for each in errors]
    results = [
        {
            "ruleId": rule,
            "ruleIndex": numbers[rule],
            "level": level,
            "message": {"text": f"{message}; {hint}" if hint else message},
            "locations": _locations(path, span if span and span.source == source else None),
        }
        for level, rule, message, hint, span in told
    ]
    driver = {"name": "minibuild", "version": __version__, "rules": [_rule(rule) for rule in known]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "artifacts": [{"location": {"uri": _uri(path)}}],
        "results": results,
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "name": rule.name,
        "shortDescription": {"text": rule.about},
        "help": {"text": rule.help},
        **({"helpUri": rule.url} if rule.url else {}),
        "defaultConfiguration": {"level": "error" if rule is _ERROR else "warning"},
        "properties": {"tags": [rule.kind]},
    }


def _locations(path: str, span: Span | None) -> Iterable[dict[str, Any]]:
    """Where it is: without a span, the file as a whole."""
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(path), "index": 0}}
    if span is not None:
        end_line, end_column = span.source.position(span.end)
        place["region"] = {
            "startLine": span.line,
            "startColumn": span.column,
            "endLine": end_line,
            "endColumn": end_column,
        }
    return [{"physicalLocation": place}]


def _uri(path: str) -> str:
    if "://" in path:
        return path
    return Path(path).as_uri() if path.startswith("/") else quote(path)
