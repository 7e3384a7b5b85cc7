"""``--security-opt``: what confines a container, as docker and buildah spell it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minibuild.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from minibuild.runtimes.seccomp.profile import Profile

_REFUSED = {
    "apparmor": "a container is under the AppArmor profile that minibuild itself is under",
    "label": "a container has the SELinux label that minibuild itself has",
    "systempaths": "RUN --security=insecure sees all of /proc",
    "mask": "what tells of this machine in /proc is always masked",
    "unmask": "RUN --security=insecure sees all of /proc",
}
_KNOWN = ("seccomp", "no-new-privileges", *_REFUSED)


def add_security_options(add: Callable[..., Any]) -> None:
    """Adds the option to a parser, or a group of it."""
    words = "which system calls it may make: Docker's default, all, or as a profile says (JSON as Docker's); or that "
    words += "setuid programs give it nothing; repeatable"
    add(
        "--security-opt",
        action="append",
        default=[],
        metavar="seccomp=unconfined|FILE|no-new-privileges",
        help=words,
    )


def security_of(words: Sequence[str]) -> tuple[Profile | None, bool]:
    """The profile, None for Docker's default, and whether there are to be no new privileges; raises UsageError.

    The last of one kind counts.
    """
    profile, no_new_privileges = None, False
    for word in words:
        # docker takes either sign after the name.
        separator = "=" if "=" in word else ":"
        name, _, value = word.partition(separator)
        match name:
            case "seccomp":
                profile = _profile(word, value)
            case "no-new-privileges":
                no_new_privileges = _truth(word, value)
            case _ if name in _REFUSED:
                raise UsageError(f"--security-opt {word} is not supported", hint=_REFUSED[name])
            case _:
                hint = did_you_mean(name, _KNOWN) or "there are seccomp=unconfined, seccomp=FILE and no-new-privileges"
                raise UsageError(f"--security-opt {word} is not supported", hint=hint)
    return profile, no_new_privileges


def _profile(word: str, value: str) -> Profile | None:
    from minibuild.runtimes.seccomp.profile import UNCONFINED
    from minibuild.runtimes.seccomp.reading import read_profile

    if value in ("builtin", "default"):
        return None
    if value == "unconfined":
        return UNCONFINED
    if not value:
        raise UsageError(f"--security-opt {word} names no profile", hint="seccomp=unconfined, or a file")
    return read_profile(Path(value))


def _truth(word: str, value: str) -> bool:
    if value not in ("", "true", "false"):
        raise UsageError(f"--security-opt {word} wants true or false")
    return value != "false"
