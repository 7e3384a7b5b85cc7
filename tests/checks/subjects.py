"""Dockerfiles under examination, for tests of checks."""

from __future__ import annotations

from minibuild.checks import CHECKS, NO_CONTEXT, Check, Subject, Window
from minibuild.checks.advice import ADVICE
from minibuild.checks.portability import PORTABILITY
from minibuild.oci import Image, Platform
from minibuild.plan import Options, plan, read
from minibuild.source import Source

EVERY_CHECK: tuple[Check, ...] = (*CHECKS, *ADVICE, *PORTABILITY.values())


def subject_of(text: str, window: Window = NO_CONTEXT) -> Subject:
    """A Dockerfile whose bases nobody knows, planned; raises DockerfileError where it can't be."""
    unknown: set[str] = set()

    def lookup(name: str, platform: Platform, _span: object) -> Image:
        unknown.add(name)
        return Image.scratch(platform)

    dockerfile = read(Source("Dockerfile", text))
    return Subject(dockerfile, plan(dockerfile, lookup, Options(all_stages=True)), {}, window, frozenset(unknown))
