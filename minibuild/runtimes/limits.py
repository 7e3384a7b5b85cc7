"""What a container may take: limits of its processes by setrlimit(2), and of all of it by cgroups where those are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from minibuild.errors import UnavailableError
from minibuild.runtimes.base import Limit, Process
from minibuild.sandbox.userns import in_first_user_namespace

# In the order of their numbers. Source: Linux, asm-generic/resource.h.
NAMES = (
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
)
# cgroups count the time of processors in slices of so many microseconds.
PERIOD_US = 100_000
_INFINITY = (1 << 64) - 1

Setter: TypeAlias = Callable[[], None]
"""Sets limits of the process that calls it: between its fork and its exec, so nothing may be imported in there."""


def check(process: Process, runtime: str, *, has_cgroups: bool) -> None:
    """Raises UnavailableError where the process asks for limits that the runtime, or this user, can't set.

    A hard limit above our own becomes our own, since who loses rights on the way could only lower it.
    """
    if (process.memory or process.processors) and not has_cgroups:
        raise UnavailableError(
            f"{runtime} makes no cgroup, so it limits neither memory nor processors", hint="use --runtime runc"
        )
    if (process.memory or process.processors) and not in_first_user_namespace():
        raise UnavailableError(
            "cgroups are root's here, and a plain user's RUN can limit neither memory nor processors without",
            hint="leave --memory and --cpus out, or run minibuild as root",
        )
    if not process.limits:
        return
    import resource

    for limit in process.limits:
        number = NAMES.index(limit.name)
        soft, hard = resource.getrlimit(number)
        if not _exceeds(limit.hard, hard):
            continue
        try:
            resource.setrlimit(number, (soft, limit.hard))
        except (ValueError, OSError) as error:
            raise UnavailableError(
                f"the limit {limit.name} can't be {_said(limit.hard)}: this machine's is {_said(hard)} here",
                hint=f"ask for at most {_said(hard)}",
            ) from error


def setter(limits: Sequence[Limit]) -> Setter | None:
    """What sets the limits; None where there are none."""
    if not limits:
        return None
    import resource

    wanted = [(number, (soft, hard)) for number, soft, hard in in_numbers(limits)]
    set_limit = resource.setrlimit

    def set_all() -> None:
        for number, values in wanted:
            set_limit(number, values)

    return set_all


def in_numbers(limits: Sequence[Limit]) -> tuple[tuple[int, int, int], ...]:
    """The limits as setrlimit(2) has them: (number, soft, hard)."""
    return tuple((NAMES.index(limit.name), limit.soft, limit.hard) for limit in limits)


def in_bundle(limits: Sequence[Limit]) -> list[dict[str, str | int]]:
    """The limits as an OCI bundle's process has them."""
    return [
        {"type": f"RLIMIT_{limit.name.upper()}", "soft": _unsigned(limit.soft), "hard": _unsigned(limit.hard)}
        for limit in limits
    ]


def resources(process: Process) -> dict[str, dict[str, int]]:
    """The limits of all of the container as an OCI bundle has them."""
    memory = {"memory": {"limit": process.memory}} if process.memory else {}
    quota = {"cpu": {"quota": round(process.processors * PERIOD_US), "period": PERIOD_US}}
    return {**memory, **(quota if process.processors else {})}


def words(limits: Sequence[Limit]) -> Iterator[str]:
    """The options of prlimit(1)."""
    for limit in limits:
        soft, hard = ("unlimited" if value < 0 else value for value in (limit.soft, limit.hard))
        yield f"--{limit.name}={soft}:{hard}"


def _exceeds(wanted: int, ours: int) -> bool:
    return ours >= 0 and (wanted < 0 or wanted > ours)


def _unsigned(value: int) -> int:
    return _INFINITY if value < 0 else value


def _said(value: int) -> str:
    return "unlimited" if value < 0 else str(value)
