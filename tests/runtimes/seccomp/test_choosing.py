"""Which filter a process gets."""

from __future__ import annotations

import pytest

from minibuild.runtimes.base import Process
from minibuild.runtimes.seccomp.choosing import compiled, profile_of, program_of
from minibuild.runtimes.seccomp.docker import default_profile
from minibuild.runtimes.seccomp.profile import UNCONFINED, Profile
from minibuild.sandbox.syscalls import has_filters


def process(profile: Profile | None) -> Process:
    return Process(("true",), (), seccomp=profile)


def test_dockers_is_taken_unless_another_is_given() -> None:
    if not has_filters():
        pytest.skip("this kernel has no filters of system calls")
    given = Profile("SCMP_ACT_LOG")

    assert profile_of(process(None)) == default_profile()
    assert profile_of(process(given)) == given
    assert compiled(process(given)) == program_of(process(given)) != compiled(process(None))


def test_who_is_unconfined_has_none() -> None:
    assert (profile_of(process(UNCONFINED)), program_of(process(UNCONFINED))) == (None, None)
