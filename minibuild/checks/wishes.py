"""What a Dockerfile wishes of checks: ``# check=skip=A,B;error=true;experimental=C``, and which findings remain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from minibuild.dockerfile.statements import Dockerfile
from minibuild.errors import DockerfileError, Finding, did_you_mean
from minibuild.source import Span
from minibuild.values import dataclass

OVERRIDE = "BUILDKIT_DOCKERFILE_CHECK"
"""The build argument that stands for the directive of the file."""

_COMMENT = re.compile(r"check\s*=\s*(.*)", re.IGNORECASE)
_LINE = re.compile(r"^[ \t]*#[ \t]*check[ \t]*=(?P<said>.*)$", re.IGNORECASE | re.MULTILINE)
_NAMES = re.compile(r"\b(?:skip|experimental)[ \t]*=(?P<names>[^;]*)", re.IGNORECASE)
_NAME = re.compile(r"[^\s,][^,]*(?<!\s)")
_ALL = "all"
_KEYS = ("skip", "error", "experimental")
_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Wishes:
    """Rules in lower case, ``all`` for any: those skipped, and those of the experimental ones that are wanted.

    ``is_strict``: a finding is an error.
    """

    skipped: frozenset[str] = frozenset()
    is_strict: bool = False
    experimental: frozenset[str] = frozenset()

    @classmethod
    def of(cls, dockerfile: Dockerfile, arguments: Mapping[str, str] = MappingProxyType({})) -> Wishes:
        """What the build argument says, else the file's directive; raises DockerfileError where it can't be read."""
        if OVERRIDE in arguments:
            return cls.parse(arguments[OVERRIDE])
        words = dockerfile.directives.get("check", "")
        at = dockerfile.source.text.find(words)
        return cls.parse(words, dockerfile.source.span(at, at + len(words)))

    @classmethod
    def parse(cls, words: str, span: Span | None = None) -> Wishes:
        """The wishes that ``skip=A,B;error=true`` says; ``span`` is where it stands."""
        said: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in words.split(";"))):
            key, _, value = part.partition("=")
            key = key.strip().lower()
            if key not in _KEYS:
                hint = did_you_mean(key, _KEYS) or "write # check=skip=Rule,…;error=true"
                raise DockerfileError(f"check directive has no {key!r}", span=span, hint=hint)
            said[key] = value.strip()
        truth = said.get("error", "false").lower()
        if truth not in _TRUTHS:
            raise DockerfileError(f"check directive's error wants true or false, got {truth!r}", span=span)
        return cls(_rules(said.get("skip", "")), _TRUTHS[truth], _rules(said.get("experimental", "")))

    def wants(self, rule: str) -> bool:
        """Whether an experimental rule is asked for."""
        return bool(self.experimental & {rule.lower(), _ALL})


def without_skipped(findings: Iterable[Finding], dockerfile: Dockerfile, wishes: Wishes) -> Iterator[Finding]:
    """The findings whose rule neither the file skips nor a comment right above the instruction they are about."""
    places = list(_places(dockerfile))
    for finding in findings:
        skipped = wishes.skipped.union(*(rules for span, rules in places if _is_inside(finding.span, span)))
        if not skipped & {finding.rule.lower(), _ALL}:
            yield finding


def violation(findings: Iterable[Finding], wishes: Wishes) -> DockerfileError | None:
    """The error that findings are where the file is strict; None where it isn't, or there are none."""
    rules = tuple(dict.fromkeys(finding.rule for finding in findings))
    if not rules or not wishes.is_strict:
        return None
    return DockerfileError(
        f"checks found what the Dockerfile takes for an error: {', '.join(rules)}",
        hint="mend what is warned of, or take error=true out of the check directive",
    )


def unknown_names(dockerfile: Dockerfile, known: Sequence[str]) -> Iterator[Finding]:
    """UnknownRule: a rule that is to be skipped, or heard, is one that there is."""
    by_fold = {name.lower() for name in (*known, _ALL)}
    for line in _LINE.finditer(dockerfile.source.text):
        if any(statement.span.start <= line.start() < statement.span.end for statement in dockerfile.statements):
            continue  # a line of a here-document, or between two lines of an instruction
        for names in _NAMES.finditer(line["said"]):
            for name in _NAME.finditer(names["names"]):
                if name[0].lower() not in by_fold:
                    start = line.start("said") + names.start("names") + name.start()
                    span = dockerfile.source.span(start, start + len(name[0]))
                    hint = did_you_mean(name[0], known) or "take the name out: nothing is skipped by it"
                    yield Finding("UnknownRule", f"no rule is called {name[0]}", span, hint)


def _places(dockerfile: Dockerfile) -> Iterator[tuple[Span, frozenset[str]]]:
    for statement in dockerfile.statements:
        for match in filter(None, map(_COMMENT.match, statement.comments)):
            parts = (part.partition("=") for part in match[1].split(";"))
            rules = (_rules(value) for key, _, value in parts if key.strip().lower() == "skip")
            yield statement.span, frozenset[str]().union(*rules)


def _rules(words: str) -> frozenset[str]:
    return frozenset(filter(None, (word.strip().lower() for word in words.split(","))))


def _is_inside(inner: Span | None, outer: Span) -> bool:
    return inner is not None and inner.source == outer.source and outer.start <= inner.start <= outer.end
