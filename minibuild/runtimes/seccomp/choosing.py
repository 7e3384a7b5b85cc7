"""The filter that a process gets: its own profile, else Docker's, where this kernel has filters."""

from __future__ import annotations

import os

from minibuild.errors import UnavailableError
from minibuild.runtimes.base import Process
from minibuild.runtimes.seccomp.profile import Container, Profile
from minibuild.sandbox.syscalls import has_filters


def profile_of(process: Process) -> Profile | None:
    """The profile; None for no filter. Raises UnavailableError where one was asked for, and the kernel has none."""
    given = process.seccomp
    if given is not None and given.is_unconfined:
        return None
    if not has_filters():
        if given is None:
            return None
        raise UnavailableError("this kernel has no seccomp filters", hint="leave --security-opt seccomp=… out")
    if given is not None:
        return given
    from minibuild.runtimes.seccomp.docker import default_profile

    return default_profile()


def compiled(process: Process) -> bytes | None:
    """The profile as a program for the kernel; None for no filter, and for processors whose calls we don't know."""
    profile = profile_of(process)
    if profile is None:
        return None
    from minibuild.runtimes.seccomp.program import program

    return program(profile, Container.here(process.capabilities))


def program_of(process: Process) -> bytes | None:
    """The same for runtimes that have no other way to it; raises UnavailableError where a profile was asked for."""
    program = compiled(process)
    if program is None and process.seccomp is not None and not process.seccomp.is_unconfined:
        raise UnavailableError(
            f"no filter can be made for {os.uname().machine} without libseccomp", hint="use --runtime crun or runc"
        )
    return program


def refuse_what_confines(process: Process, runtime: str) -> None:
    """Raises UnavailableError where more was asked for than a runtime without filters can keep."""
    if process.no_new_privileges or (process.seccomp is not None and not process.seccomp.is_unconfined):
        raise UnavailableError(
            f"{runtime} takes neither a seccomp profile nor no-new-privileges",
            hint="minibuild info says what keeps others from it",
        )
