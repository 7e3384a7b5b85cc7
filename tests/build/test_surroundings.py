"""What surrounds the RUNs of a build."""

from __future__ import annotations

import pytest

from minibuild.build.surroundings import Surroundings
from minibuild.errors import UsageError
from minibuild.instructions.effects import RunCommand

RUN = RunCommand(("true",), (), "/", "")


def test_a_run_takes_this_machine_for_buildkits_sandbox_unless_an_argument_names_it() -> None:
    told = Surroundings().told({"BUILDKIT_SANDBOX_HOSTNAME": "builder-1"})
    assert (Surroundings().hostname, told.hostname) == ("buildkitsandbox", "builder-1")


def test_the_name_of_the_machine_is_an_input_where_it_is_given() -> None:
    told = Surroundings().told({"BUILDKIT_SANDBOX_HOSTNAME": "builder"})
    assert (Surroundings().inputs(RUN), told.inputs(RUN)) == ({}, {"hostname": "builder"})


@pytest.mark.parametrize("name", ["a b", "a\n127.0.0.1 b", "x" * 65])
def test_a_name_that_no_host_can_have_is_a_wrong_command_line(name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a host"):
        Surroundings().told({"BUILDKIT_SANDBOX_HOSTNAME": name})


def test_caches_have_the_namespace_that_an_argument_gives() -> None:
    assert Surroundings().told({"BUILDKIT_CACHE_MOUNT_NS": "ns"}).cache_namespace == "ns"
