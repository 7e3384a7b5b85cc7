"""A profile as an OCI bundle has it. Source: runtime-spec 1.1, config-linux.md, Seccomp."""

from __future__ import annotations

from typing import Any

from minibuild.runtimes.seccomp.profile import Condition, Container, Profile, Rule

_WITH_NUMBER = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")


def in_bundle(profile: Profile, container: Container) -> dict[str, Any]:
    """The rules that a container has; also a profile that podman and docker read."""
    number = {"defaultErrnoRet": profile.errno} if profile.action in _WITH_NUMBER else {}
    return {
        "defaultAction": profile.action,
        **number,
        "architectures": [name for name in profile.architectures_of(container.processor) if name],
        "syscalls": [_rule(rule, profile) for rule in profile.rules_for(container)],
    }


def _rule(rule: Rule, profile: Profile) -> dict[str, Any]:
    errno = profile.errno if rule.errno is None else rule.errno
    return {
        "names": list(rule.names),
        "action": rule.action,
        **({"errnoRet": errno} if rule.action in _WITH_NUMBER else {}),
        "args": [_condition(condition) for condition in rule.conditions],
    }


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "index": condition.index,
        "value": condition.value,
        "valueTwo": condition.other,
        "op": condition.operator,
    }
