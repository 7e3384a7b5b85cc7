"""``# check=skip=Rule,…``: which findings a Dockerfile asks not to hear of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from minibuild.dockerfile.statements import Dockerfile
from minibuild.errors import Finding
from minibuild.source import Span

_COMMENT = re.compile(r"check\s*=\s*(.*)", re.IGNORECASE)
_ALL = "all"


def without_skipped(findings: Iterable[Finding], dockerfile: Dockerfile) -> Iterator[Finding]:
    """The findings whose rule neither the file skips nor a comment right above the instruction they are about."""
    everywhere = _rules(dockerfile.directives.get("check", ""))
    places = list(_places(dockerfile))
    for finding in findings:
        skipped = everywhere.union(*(rules for span, rules in places if _is_inside(finding.span, span)))
        if not skipped & {finding.rule.lower(), _ALL}:
            yield finding


def _places(dockerfile: Dockerfile) -> Iterator[tuple[Span, frozenset[str]]]:
    for statement in dockerfile.statements:
        for match in filter(None, map(_COMMENT.match, statement.comments)):
            yield statement.span, _rules(match[1])


def _rules(directive: str) -> frozenset[str]:
    """The rules that the parts ``skip=A,B;error=true`` skip, in lower case."""
    parts = (part.partition("=") for part in directive.split(";"))
    lists = (rules for key, _, rules in parts if key.strip().lower() == "skip")
    return frozenset(rule.strip().lower() for rules in lists for rule in rules.split(","))


def _is_inside(inner: Span | None, outer: Span) -> bool:
    return inner is not None and inner.source == outer.source and outer.start <= inner.start <= outer.end
