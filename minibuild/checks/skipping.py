"""``# check=skip=Rule,…``: which findings a Dockerfile asks not to hear of."""

from __future__ import annotations

import re

from minibuild.dockerfile.statements import Dockerfile
from minibuild.errors import Finding

_COMMENT = re.compile(r"check\s*=\s*(.*)", re.IGNORECASE)


def is_skipped(finding: Finding, dockerfile: Dockerfile) -> bool:
    """The file, or the comment right above the instruction that a finding is about, skips its rule."""
    if _names(dockerfile.directives.get("check", ""), finding.rule):
        return True
    span = finding.span
    if span is None or span.source != dockerfile.source:
        return False
    comments = (
        comment
        for statement in dockerfile.statements
        if statement.span.start <= span.start < max(statement.span.end, statement.span.start + 1)
        for comment in statement.comments
    )
    return any(match and _names(match[1], finding.rule) for match in map(_COMMENT.match, comments))


def _names(directive: str, rule: str) -> bool:
    for part in directive.split(";"):
        key, _, rules = part.partition("=")
        names = {name.strip().lower() for name in rules.split(",")}
        if key.strip().lower() == "skip" and names & {rule.lower(), "all"}:
            return True
    return False
