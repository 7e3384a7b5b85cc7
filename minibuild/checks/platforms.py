"""Checks of platforms: what FROM asks for, and what it gets."""

from __future__ import annotations

from collections.abc import Iterator

from minibuild.checks.subject import Subject
from minibuild.errors import Finding, UsageError
from minibuild.oci import Platform

_TARGETS = ("$TARGETPLATFORM", "${TARGETPLATFORM}")


def other_platforms(subject: Subject) -> Iterator[Finding]:
    """InvalidBaseImagePlatform: a base that is for another platform than the one asked for."""
    for stage in subject.plan.stages:
        if stage.image is None or subject.is_unknown(stage):
            continue
        asked, got = stage.platform, stage.image.config.platform
        variants = {asked.variant, got.variant} - {""}
        if (asked.os, asked.architecture) != (got.os, got.architecture) or len(variants) > 1:
            name = stage.base_span.text
            message = f"{name} is for {got}, and {asked} was asked for"
            hint = f"take a {name} that is made for {asked}, or build for {got}"
            yield Finding("InvalidBaseImagePlatform", message, stage.base_span, hint)


def redundant_platforms(subject: Subject) -> Iterator[Finding]:
    """RedundantTargetPlatform: ``--platform=$TARGETPLATFORM`` says what is done without it."""
    for _, head in subject.heads():
        if head.platform and head.platform.value.strip("\"'") in _TARGETS:
            message = f"--platform={head.platform} is what FROM takes anyway"
            yield Finding("RedundantTargetPlatform", message, head.platform.span, "leave the flag out")


def constant_platforms(subject: Subject) -> Iterator[Finding]:
    """FromPlatformFlagConstDisallowed: a constant ties the stage to one platform, unless its name says so too."""
    for _, head in subject.heads():
        if not head.platform or "$" in head.platform.value:
            continue
        try:
            platform = Platform.parse(head.platform.value)
        except UsageError:
            continue
        if not any(part in head.stage_name for part in (platform.os, platform.architecture)):
            message = f"--platform={head.platform} ties the stage to one platform, whatever is built for"
            hint = "use $BUILDPLATFORM, or leave the flag out and build with --platform, or name the stage after it"
            yield Finding("FromPlatformFlagConstDisallowed", message, head.platform.span, hint)
