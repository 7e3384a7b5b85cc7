"""A profile as a value. Source: moby, profiles/seccomp; runtime-spec 1.1, config-linux.md, Seccomp."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from minibuild.values import dataclass

EPERM, ENOSYS = 1, 38

ACTIONS = (
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_LOG",
    "SCMP_ACT_TRACE",
    "SCMP_ACT_TRAP",
)
OPERATORS = (
    "SCMP_CMP_EQ",
    "SCMP_CMP_GE",
    "SCMP_CMP_GT",
    "SCMP_CMP_LE",
    "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ",
    "SCMP_CMP_NE",
)
# By what uname(2) says: as Docker's rules call them, and as libseccomp does.
_PROCESSORS: Mapping[str, str] = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "x86",
    "loongarch64": "loongarch64",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        "amd64": "SCMP_ARCH_X86_64",
        "x86": "SCMP_ARCH_X86",
        "arm64": "SCMP_ARCH_AARCH64",
        "arm": "SCMP_ARCH_ARM",
        "loongarch64": "SCMP_ARCH_LOONGARCH64",
        "ppc64le": "SCMP_ARCH_PPC64LE",
        "riscv64": "SCMP_ARCH_RISCV64",
        "s390x": "SCMP_ARCH_S390X",
    }
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of an argument of a call, 0 to 5, as a number of 64 bits. Of a masked one, ``value`` is the mask and
    ``other`` what is left under it.
    """

    index: int
    operator: str
    value: int
    other: int = 0


@dataclass(frozen=True, slots=True)
class When:
    """Containers that a rule is for, or isn't: by capabilities, by their machine's processor, its kernel at least."""

    capabilities: tuple[str, ...] = ()
    processors: tuple[str, ...] = ()
    kernel: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """What is done on calls of these names, where all conditions hold; ``errno`` None is the profile's."""

    names: tuple[str, ...]
    action: str = "SCMP_ACT_ALLOW"
    errno: int | None = None
    conditions: tuple[Condition, ...] = ()
    includes: When = When()
    excludes: When = When()


@dataclass(frozen=True, slots=True)
class Container:
    """What a profile depends on."""

    capabilities: frozenset[str]
    processor: str
    kernel: tuple[int, ...]

    @classmethod
    def here(cls, capabilities: Collection[str]) -> Container:
        """One of these capabilities on this machine."""
        machine, kernel = os.uname().machine, os.uname().release
        return cls(frozenset(capabilities), _PROCESSORS.get(machine, machine), _version(kernel))


@dataclass(frozen=True, slots=True)
class Profile:
    """Rules, of which the first that applies to a call counts, and what is done where none does.

    ``architectures`` are those whose calls can be made at all, by a machine's own, all in libseccomp's words; where a
    machine's has no entry, it is the only one.
    """

    action: str
    rules: tuple[Rule, ...] = ()
    errno: int = EPERM
    architectures: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def is_unconfined(self) -> bool:
        """It lets everything pass, so no filter is needed."""
        return self.action == "SCMP_ACT_ALLOW" and not self.rules

    def rules_for(self, container: Container) -> Iterator[Rule]:
        """The rules that a container has."""
        for rule in self.rules:
            if _includes(rule.includes, container) and not _excludes(rule.excludes, container):
                yield rule

    def architectures_of(self, processor: str) -> tuple[str, ...]:
        """Those of a machine of that processor, its own first."""
        own = ARCHITECTURES.get(processor, "")
        return (own, *dict(self.architectures).get(own, ()))


UNCONFINED = Profile("SCMP_ACT_ALLOW")


def _includes(when: When, container: Container) -> bool:
    return (
        container.capabilities.issuperset(when.capabilities)
        and (not when.processors or container.processor in when.processors)
        and _version(when.kernel) <= container.kernel
    )


def _excludes(when: When, container: Container) -> bool:
    return (
        not container.capabilities.isdisjoint(when.capabilities)
        or container.processor in when.processors
        or bool(when.kernel and _version(when.kernel) <= container.kernel)
    )


def _version(words: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", words)[:2]))
