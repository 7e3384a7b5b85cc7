"""Warnings about a Dockerfile that builds: one check, one value, over its statements and its plan. Pure.

A new check is a function that yields findings and a line in the table below. What only the fold can see (UndefinedVar,
LegacyKeyValueFormat, WorkdirRelativePath, …) is in the plan's findings already. ``# check=skip=Rule,…`` at the top of
a file, or right above an instruction, silences rules there. May import ``plan`` and what is below it only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from minibuild.checks import stages, style
from minibuild.checks.skipping import without_skipped
from minibuild.dockerfile.statements import Dockerfile
from minibuild.errors import Finding
from minibuild.plan.steps import Plan

__all__ = ["CHECKS", "Check", "check"]


@dataclass(frozen=True, slots=True)
class Check:
    """A rule by Docker's name for it, and what finds its breaches."""

    rule: str
    find: Callable[[Dockerfile, Plan], Iterator[Finding]]


# In alphabetical order.
CHECKS = (
    Check("ConsistentInstructionCasing", style.inconsistent_casing),
    Check("DuplicateStageName", stages.duplicate_names),
    Check("FromAsCasing", stages.casing_of_as),
    Check("JSONArgsRecommended", style.shell_forms),
    Check("MultipleInstructionsDisallowed", stages.repeated_instructions),
    Check("ReservedStageName", stages.reserved_names),
    Check("StageNameCasing", stages.casing_of_names),
)


def check(dockerfile: Dockerfile, plan: Plan) -> Plan:
    """The plan with the findings of all checks among its own, in the order of the file, skipped rules left out."""
    found = [*plan.findings, *(finding for check in CHECKS for finding in check.find(dockerfile, plan))]
    kept = without_skipped(dict.fromkeys(found), dockerfile)
    return replace(plan, findings=tuple(sorted(kept, key=_place)))


def _place(finding: Finding) -> tuple[bool, int]:
    return finding.span is None, finding.span.start if finding.span else 0
