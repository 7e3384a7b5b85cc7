"""Warnings about a Dockerfile that builds: one check, one value, over its statements and its plan. Pure.

A new check is a function that yields findings and a line in ``table`` (what a build tells of) or in ``advice`` (what
``minibuild check`` alone tells of); what other builders do otherwise are rows of data in ``portability``. Each rule has
golden cases in ``fixtures/checks``, one at least that it finds and a near miss. ``# check=skip=Rule,…`` at the top of a
file, or right above an instruction, silences rules there (``wishes``). What the context has is seen through a
``Window``. May import ``plan`` and what is below it only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from minibuild.checks.subject import NO_CONTEXT, Check, Files, Subject, Window
from minibuild.checks.table import CHECKS
from minibuild.checks.variables import is_certain
from minibuild.checks.wishes import Wishes, violation, without_skipped
from minibuild.dockerfile.statements import Dockerfile
from minibuild.errors import Finding
from minibuild.plan.steps import Plan

__all__ = [
    "CHECKS",
    "NO_CONTEXT",
    "Check",
    "Files",
    "Subject",
    "Window",
    "check",
    "examine",
    "heeding",
    "refuse_if_strict",
]


def check(
    dockerfile: Dockerfile,
    plan: Plan,
    window: Window = NO_CONTEXT,
    arguments: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """The plan with the findings of all checks that a build tells among its own, in the order of the file."""
    subject = Subject(dockerfile, plan, arguments, window)
    return replace(plan, findings=examine(subject, CHECKS))


def examine(subject: Subject, checks: Iterable[Check]) -> tuple[Finding, ...]:
    """The plan's findings and those of checks, in the order of the file, skipped rules left out.

    Raises DockerfileError for a check directive that can't be read.
    """
    wishes = Wishes.of(subject.dockerfile, subject.arguments)
    wanted = (check for check in checks if check.kind != "experimental" or wishes.wants(check.rule))
    found = [finding for finding in subject.plan.findings if is_certain(finding, subject)]
    found += [finding for check in wanted for finding in check.find(subject)]
    kept = without_skipped(dict.fromkeys(found), subject.dockerfile, wishes)
    return tuple(sorted(kept, key=_place))


def refuse_if_strict(
    dockerfile: Dockerfile, findings: Iterable[Finding], arguments: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Raises DockerfileError where the file says ``# check=error=true`` and there are findings."""
    error = violation(findings, Wishes.of(dockerfile, arguments))
    if error is not None:
        raise error


def heeding(dockerfile: Dockerfile, arguments: Mapping[str, str]) -> Callable[[Finding], bool]:
    """Answers of a finding that is made while building whether the file wants to hear of it."""
    wishes = Wishes.of(dockerfile, arguments)
    return lambda finding: any(without_skipped([finding], dockerfile, wishes))


def _place(finding: Finding) -> tuple[bool, int]:
    return finding.span is None, finding.span.start if finding.span else 0
