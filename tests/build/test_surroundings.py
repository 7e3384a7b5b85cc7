"""What surrounds the RUNs of a build."""

from __future__ import annotations

import pytest

from minibuild.build.accounts import Account
from minibuild.build.certificates import PLACE
from minibuild.build.mounting import Mounted
from minibuild.build.resolving import Resolver
from minibuild.build.running import environment_of
from minibuild.build.surroundings import Surroundings
from minibuild.errors import UsageError
from minibuild.instructions.effects import RunCommand
from minibuild.runtimes.base import Network
from minibuild.values import replace

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


@pytest.mark.parametrize("network", ["private", "slirp4netns", "pasta"])
def test_a_private_network_is_the_same_input_whatever_makes_it(network: Network) -> None:
    assert Surroundings(network=network).inputs(RUN) == {"network": "private"}


def test_who_answers_for_names_and_whom_to_trust_is_no_input() -> None:
    assert Surroundings(resolver=Resolver(servers=("192.0.2.1",)), ca_bundle=b"PEM").inputs(RUN) == {}


def test_the_variables_of_a_bundle_give_way_to_the_dockerfiles() -> None:
    effect = replace(RUN, environment=(("PIP_CERT", "/own.pem"), ("A", "1")))
    seen = dict(environment_of(effect, Account(0, 0, (), "/root"), Surroundings(ca_bundle=b"PEM"), Mounted()))
    ours = {name for name, value in seen.items() if value == PLACE}
    assert ours == {"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"}
    assert (seen["PIP_CERT"], seen["A"]) == ("/own.pem", "1")


def test_caches_have_the_namespace_that_an_argument_gives() -> None:
    assert Surroundings().told({"BUILDKIT_CACHE_MOUNT_NS": "ns"}).cache_namespace == "ns"
