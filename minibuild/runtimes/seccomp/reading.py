"""A profile read from JSON, as ``docker run --security-opt seccomp=FILE`` takes it; podman's additions too.

What is wrong is said with its place in the file, such as ``syscalls[3].args[0].op``.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from minibuild.errors import UsageError, did_you_mean
from minibuild.runtimes.seccomp.profile import (
    ACTIONS,
    ARCHITECTURES,
    EPERM,
    OPERATORS,
    Condition,
    Profile,
    Rule,
    When,
)
from minibuild.values import dataclass

_LARGEST = 1 << 64
_PROFILE = ("defaultAction", "defaultErrnoRet", "defaultErrno", "archMap", "architectures", "syscalls")
_RULE = ("names", "name", "action", "errnoRet", "errno", "args", "comment", "includes", "excludes")
_CONDITION = ("index", "value", "valueTwo", "op")
_WHEN = ("caps", "arches", "minKernel")
_ARCHITECTURE = ("architecture", "subArchitectures")


def read_profile(path: Path) -> Profile:
    """The profile of a file; raises UsageError."""
    try:
        text = path.read_bytes()
        value = json.loads(text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"seccomp profile {path} can't be read: {reason}") from error
    except ValueError as error:
        raise UsageError(f"seccomp profile {path} is no JSON: {error}") from error
    return _profile(_Place(value, str(path)))


@dataclass(frozen=True, slots=True)
class _Place:
    """A value of the file, and where it is."""

    value: Any
    file: str
    name: str = ""

    def wrong(self, what: str, hint: str = "") -> UsageError:
        """An error that points here."""
        return UsageError(f"seccomp profile {self.file}: {self.name or 'the whole'} {what}", hint=hint)

    def fields(self, known: Sequence[str]) -> Mapping[str, _Place]:
        """The members of an object that aren't null."""
        if not isinstance(self.value, dict):
            raise self.wrong("is no object")
        for key in self.value:
            if key not in known:
                hint = did_you_mean(key, list(known)) or f"there are {', '.join(known)}"
                raise self.wrong(f"has {key!r}, which no filter of ours heeds", hint)
        prefix = f"{self.name}." if self.name else ""
        items = self.value.items()
        return {key: _Place(value, self.file, prefix + key) for key, value in items if value is not None}

    def items(self) -> list[_Place]:
        """The members of an array."""
        if not isinstance(self.value, list):
            raise self.wrong("is no array")
        return [_Place(value, self.file, f"{self.name}[{number}]") for number, value in enumerate(self.value)]

    def word(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            raise self.wrong("is no string")
        return self.value

    def words(self) -> tuple[str, ...]:
        """An array of strings."""
        return tuple(item.word() for item in self.items())

    def chosen(self, known: Collection[str]) -> str:
        """A string of a few."""
        if self.word() not in known:
            hint = did_you_mean(self.value, list(known)) or f"choose from {', '.join(known)}"
            raise self.wrong(f"is {self.value!r}, which filters don't know", hint)
        return str(self.value)

    def number(self, below: int) -> int:
        """A whole number from zero."""
        if type(self.value) is not int or not 0 <= self.value < below:
            raise self.wrong(f"wants a number from 0 to {below - 1}")
        return self.value

    def error(self) -> int:
        """The number of an error's name."""
        number = getattr(errno, self.word(), None)
        if not isinstance(number, int):
            raise self.wrong(f"is {self.value!r}, which is no error's name", "EPERM is one")
        return number


def _profile(place: _Place) -> Profile:
    fields = place.fields(_PROFILE)
    if "archMap" in fields and "architectures" in fields:
        raise place.wrong("has both archMap and architectures", "leave one of them out")
    if "defaultAction" not in fields:
        raise place.wrong("has no defaultAction", "SCMP_ACT_ERRNO refuses what no rule allows")
    errno_number = _errno(fields, "defaultErrno")
    return Profile(
        fields["defaultAction"].chosen(ACTIONS),
        tuple(map(_rule, fields["syscalls"].items())) if "syscalls" in fields else (),
        EPERM if errno_number is None else errno_number,
        _architectures(fields),
    )


def _architectures(fields: Mapping[str, _Place]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if "architectures" in fields:
        named = fields["architectures"].words()
        return tuple((own, tuple(name for name in named if name != own)) for own in named)
    found = []
    for place in fields["archMap"].items() if "archMap" in fields else ():
        entry = place.fields(_ARCHITECTURE)
        if "architecture" not in entry:
            raise place.wrong("has no architecture", f"such as {ARCHITECTURES['amd64']}")
        others = entry["subArchitectures"].words() if "subArchitectures" in entry else ()
        found.append((entry["architecture"].word(), others))
    return tuple(found)


def _rule(place: _Place) -> Rule:
    fields = place.fields(_RULE)
    names = fields["names"].words() if "names" in fields else ()
    if "name" in fields:
        names = (*names, fields["name"].word())
    if not names or "action" not in fields:
        raise place.wrong("wants names and an action")
    return Rule(
        names,
        fields["action"].chosen(ACTIONS),
        _errno(fields, "errno"),
        tuple(map(_condition, fields["args"].items())) if "args" in fields else (),
        _when(fields["includes"]) if "includes" in fields else When(),
        _when(fields["excludes"]) if "excludes" in fields else When(),
    )


def _errno(fields: Mapping[str, _Place], name: str) -> int | None:
    """The number of an error; Docker has numbers only, podman names as well."""
    if f"{name}Ret" in fields:
        return fields[f"{name}Ret"].number(4096)
    return fields[name].error() if name in fields and fields[name].word() else None


def _condition(place: _Place) -> Condition:
    fields = place.fields(_CONDITION)
    for name in ("index", "value", "op"):
        if name not in fields:
            raise place.wrong(f"has no {name}")
    other = fields["valueTwo"].number(_LARGEST) if "valueTwo" in fields else 0
    return Condition(fields["index"].number(6), fields["op"].chosen(OPERATORS), fields["value"].number(_LARGEST), other)


def _when(place: _Place) -> When:
    fields = place.fields(_WHEN)
    return When(
        fields["caps"].words() if "caps" in fields else (),
        fields["arches"].words() if "arches" in fields else (),
        fields["minKernel"].word() if "minKernel" in fields else "",
    )
