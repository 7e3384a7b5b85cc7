"""All rules by their names, as reports and the README tell of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from minibuild.values import dataclass

_DOCKER = "https://docs.docker.com/go/dockerfile/rule/"
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what it wants in half a sentence, what kind it is, and where it is written about, "" for nowhere."""

    name: str
    about: str
    kind: str
    url: str = ""

    @property
    def help(self) -> str:
        """What it wants, and how to do without it."""
        where = "at the top of the Dockerfile, or right above an instruction"
        return f"Wanted: {self.about}. To skip the rule, write # check=skip={self.name} {where}."


def rules() -> Mapping[str, Rule]:
    """The rules of all tables: those that a build tells of, advice, portability."""
    from minibuild.checks import CHECKS
    from minibuild.checks.advice import ADVICE
    from minibuild.checks.portability import PORTABILITY

    checks = (*CHECKS, *ADVICE, *PORTABILITY.values())
    return {check.rule: Rule(check.rule, check.about, check.kind, _url(check.rule, check.kind)) for check in checks}


def _url(name: str, kind: str) -> str:
    is_docker = kind in ("docker", "experimental")
    return f"{_DOCKER}{_WORDS.sub('-', name).lower()}/" if is_docker else ""
