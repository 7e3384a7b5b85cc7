"""The options of build that surround RUN."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from minibuild.build.resolving import Resolver
from minibuild.build.surroundings import Secret, SshAgent, Surroundings
from minibuild.cli.build_options import build_parser
from minibuild.cli.surroundings import surroundings_of
from minibuild.errors import UsageError
from minibuild.runtimes.base import Limit, Mount
from minibuild.runtimes.seccomp.profile import UNCONFINED

ENVIRONMENT = {"TOKEN": "t0ken"}


def said(*words: str) -> Surroundings:
    return surroundings_of(build_parser({}).read(words), ENVIRONMENT)


WORDS: Mapping[str, tuple[str, object]] = {
    "--network none": ("network", "none"),
    "--network default": ("network", "host"),
    "--network private": ("network", "private"),
    "--network pasta": ("network", "pasta"),
    "--dns 192.0.2.1,::1 --dns 192.0.2.2": ("resolver", Resolver(servers=("192.0.2.1", "::1", "192.0.2.2"))),
    "--dns-search a.example --dns-search b": ("resolver", Resolver(search=("a.example", "b"))),
    "--dns-search a --dns-search .": ("resolver", Resolver(search=(".",))),
    "--dns-option ndots:2 --dns-option rotate": ("resolver", Resolver(options=("ndots:2", "rotate"))),
    "--allow network.host,security.insecure": ("permissions", frozenset({"network.host", "security.insecure"})),
    "--add-host a:1.2.3.4 --add-host b=::1": ("hosts", (("a", "1.2.3.4"), ("b", "::1"))),
    "--add-host a:[fe80::1] --add-host h:host-gateway": ("hosts", (("a", "fe80::1"), ("h", "127.0.0.1"))),
    "--shm-size 1g": ("shm_size", 1 << 30),
    "--ulimit nofile=1:2 --ulimit core=0": ("limits", (Limit("nofile", 1, 2), Limit("core", 0, 0))),
    "--ulimit stack=5:-1": ("limits", (Limit("stack", 5, -1),)),
    "--security-opt seccomp=unconfined": ("seccomp", UNCONFINED),
    "--security-opt seccomp=unconfined --security-opt seccomp=builtin": ("seccomp", None),
    "--security-opt no-new-privileges": ("no_new_privileges", True),
    "--security-opt no-new-privileges:true --security-opt no-new-privileges:false": ("no_new_privileges", False),
    "-m 64m": ("memory", 64 << 20),
    "--cpus 1.5": ("processors", 1.5),
    "-v /:/host:ro": ("volumes", (Mount(Path("/"), "/host"),)),
    "--secret id=TOKEN": ("secrets", {"TOKEN": Secret(value="t0ken")}),
    "--secret id=x,env=TOKEN": ("secrets", {"x": Secret(value="t0ken")}),
    "--secret type=env,id=x,src=TOKEN": ("secrets", {"x": Secret(value="t0ken")}),
    "--secret id=x,src=/etc/passwd": ("secrets", {"x": Secret(Path("/etc/passwd"))}),
    "--ssh k=/etc/passwd,/etc/group": ("agents", {"k": SshAgent(keys=(Path("/etc/passwd"), Path("/etc/group")))}),
}


@pytest.mark.parametrize(("words", "expected"), WORDS.items(), ids=WORDS)
def test_words_say_what_surrounds_a_run(words: str, expected: tuple[str, object]) -> None:
    assert getattr(said(*words.split()), expected[0]) == expected[1]


REFUSED = {
    "--network bridge": "--network=bridge is not supported",
    "--network slirp4netns:mtu=1500": "--network=slirp4netns:mtu=1500 is not supported",
    "--dns none": "--dns wants an address such as 192.0.2.53, got 'none'",
    "--dns-search -a": "--dns-search wants a domain such as example.org, or . for none, got '-a'",
    "--dns-option ndot:1": "--dns-option 'ndot:1' is nothing that a resolver knows",
    "--dns-option ndots": "--dns-option 'ndots' wants a number: ndots:N",
    "--dns-option rotate:1": "--dns-option 'rotate:1' wants rotate alone",
    "--ca-bundle /nowhere": "--ca-bundle /nowhere can't be read: no such file or directory",
    "--ca-bundle /etc/passwd": "--ca-bundle /etc/passwd has to be certificates as PEM, whole ones",
    "--network private --add-host h:host-gateway": (
        "--add-host 'h:host-gateway' means this machine's loopback, which no private network reaches"
    ),
    "--allow device": "--allow device is not supported",
    "--add-host a": "--add-host 'a' wants NAME:ADDRESS",
    "--add-host a:b": "--add-host 'a:b' wants an address after a, got 'b'",
    "--shm-size big": "--shm-size wants a size such as 64m, got 'big'",
    "--ulimit files=1": "--ulimit 'files=1' limits nothing that there is",
    "--ulimit nofile=2:1": "--ulimit 'nofile=2:1' has a soft limit above the hard one",
    "--ulimit nofile=x": "--ulimit 'nofile=x' wants nofile=SOFT[:HARD], numbers, -1 for no limit",
    "--cpus 0": "--cpus wants a number such as 1.5, at least 0.01, got '0'",
    "--secret src=x": "--secret 'src=x' wants an id",
    "--secret id=x,mode=1": "--secret has no 'mode'",
    "--secret id=x,env=NONE": "--secret x: the variable NONE is not set",
    "--secret id=x,src=/nowhere": "--secret x: there is no file /nowhere",
    "--security-opt apparmor=unconfined": "--security-opt apparmor=unconfined is not supported",
    "--security-opt seccomp=": "--security-opt seccomp= names no profile",
    "--security-opt no-new-privileges=1": "--security-opt no-new-privileges=1 wants true or false",
    "--security-opt seccomp=/nowhere": "seccomp profile /nowhere can't be read: no such file or directory",
    "--ssh default": "--ssh default: no agent runs (SSH_AUTH_SOCK is not set)",
    "--ssh k=/nowhere": "--ssh k: /nowhere doesn't exist",
}


@pytest.mark.parametrize(("words", "message"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_surround_a_run_is_refused(words: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        said(*words.split())
    assert caught.value.message == message


def test_a_secret_is_not_shown_by_accident() -> None:
    assert "t0ken" not in repr(said("--secret", "id=TOKEN"))
