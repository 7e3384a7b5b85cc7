"""``os/architecture[/variant]``, in the names that Go gives them, and this machine's own."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from minibuild.errors import UsageError, did_you_mean
from minibuild.values import dataclass

_PART = re.compile(r"[a-z0-9_.-]+")
# containerd's normalisation of what people and uname call architectures: (architecture, variant).
_ARCHITECTURES: Mapping[str, tuple[str, str]] = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "armhf": ("arm", "v7"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armel": ("arm", "v6"),
    "ppc64el": ("ppc64le", ""),
    "loongarch64": ("loong64", ""),
}
# What an architecture alone may be; with its operating system, any will do. Source: containerd/platforms.
_KNOWN_NAMES = (
    "386 amd64 arm armbe arm64 arm64be ppc ppc64 ppc64le loong64 mips mipsle mips64 mips64le riscv riscv64 s390 s390x "
    "sparc sparc64 wasm"
)
_KNOWN = frozenset(_KNOWN_NAMES.split())
_FORM = "write os/architecture[/variant], such as linux/amd64"
_SYSTEMS = ("linux", "windows", "darwin", "freebsd")


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on; ``variant`` is "" where the architecture has none (amd64) or its usual one (arm64's
    v8).
    """

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """``linux/arm/v7``, ``linux/amd64``, or an architecture alone; raises UsageError for anything else."""
        if "," in text:
            raise UsageError(f"{text!r} names several platforms, wanted one", hint="take one after the other")
        parts = text.lower().split("/")
        if not 1 <= len(parts) <= 3 or not all(_PART.fullmatch(part) for part in parts):
            raise UsageError(f"{text!r} is no platform", hint=_FORM)
        if len(parts) == 1:
            parts = [*parts, cls.of_this_machine().architecture] if parts[0] in _SYSTEMS else ["linux", *parts]
            if _ARCHITECTURES.get(parts[1], (parts[1],))[0] not in _KNOWN:
                raise UsageError(f"{text!r} is no platform", hint=did_you_mean(text, [*_SYSTEMS, *_KNOWN]) or _FORM)
        architecture, variant = _ARCHITECTURES.get(parts[1], (parts[1], ""))
        variant = parts[2] if len(parts) == 3 else variant
        if architecture == "arm" and not variant:
            variant = "v7"
        if (architecture, variant) in (("arm64", "v8"), ("amd64", "v1")):
            variant = ""
        return cls(parts[0], architecture, variant)

    @classmethod
    def of_this_machine(cls) -> Platform:
        """The platform that RUN can run natively here; containers are Linux's, whatever the host."""
        architecture, variant = _ARCHITECTURES.get(os.uname().machine, (os.uname().machine, ""))
        return cls("linux", architecture, variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
