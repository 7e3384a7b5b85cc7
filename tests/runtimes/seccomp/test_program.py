"""Filters: what they answer to calls, and that Docker's default is what Docker's is."""

from __future__ import annotations

import errno
import json
import platform
import socket
from pathlib import Path

import pytest

from minibuild.errors import UsageError
from minibuild.runtimes.base import DEFAULT_CAPABILITIES
from minibuild.runtimes.seccomp.docker import default_profile
from minibuild.runtimes.seccomp.oci import in_bundle
from minibuild.runtimes.seccomp.profile import Condition, Container, Profile, Rule, When
from minibuild.runtimes.seccomp.program import program
from minibuild.runtimes.seccomp.reading import read_profile
from minibuild.sandbox.calls import numbers_of
from tests.machine import require
from tests.runtimes.seccomp.machine import AMD64, ARM64, X86, answer

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSED = 0x00050000
DOCKERS = Container(frozenset(DEFAULT_CAPABILITIES), "amd64", (6, 18))
LARGE = (1 << 40) + 7
CLONE_NEWUSER, AF_ALG = 0x10000000, 38


def number(name: str, processor: str = "amd64") -> int:
    numbers = numbers_of(processor)
    assert numbers
    return numbers[name]


def compiled(profile: Profile, container: Container = DOCKERS) -> bytes:
    made = program(profile, container)
    assert made
    return made


@pytest.mark.parametrize("value", [7, LARGE, 1 << 32])
@pytest.mark.parametrize(
    ("operator", "below", "same", "above"),
    [
        ("SCMP_CMP_EQ", False, True, False),
        ("SCMP_CMP_NE", True, False, True),
        ("SCMP_CMP_LT", True, False, False),
        ("SCMP_CMP_LE", True, True, False),
        ("SCMP_CMP_GT", False, False, True),
        ("SCMP_CMP_GE", False, True, True),
    ],
)
def test_arguments_are_compared_as_numbers_of_64_bits(
    operator: str, value: int, below: bool, same: bool, above: bool
) -> None:
    rule = Rule(("read",), conditions=(Condition(2, operator, value),))
    made = compiled(Profile("SCMP_ACT_ERRNO", (rule,)))

    held = [answer(made, 0, 0, 0, tried) == ALLOW for tried in (value - 1, value, value + 1, value + (1 << 32))]

    assert held == [below, same, above, above]


def test_a_masked_argument_is_compared_under_its_mask() -> None:
    rule = Rule(("clone",), conditions=(Condition(0, "SCMP_CMP_MASKED_EQ", 0xF0_0000_00F0, 0x20_0000_0030),))
    made = compiled(Profile("SCMP_ACT_ERRNO", (rule,)))

    tried = (0x20_0000_0030, 0x2F_0000_003F, 0x30_0000_0030, 0x20_0000_0020)

    assert [answer(made, number("clone"), one) == ALLOW for one in tried] == [True, True, False, False]


def test_conditions_hold_at_once_and_those_on_one_argument_either() -> None:
    both = Rule(("read",), conditions=(Condition(0, "SCMP_CMP_EQ", 1), Condition(1, "SCMP_CMP_EQ", 2)))
    either = Rule(("write",), conditions=(Condition(0, "SCMP_CMP_EQ", 1), Condition(0, "SCMP_CMP_EQ", 2)))
    made = compiled(Profile("SCMP_ACT_ERRNO", (both, either)))

    assert [answer(made, 0, *tried) == ALLOW for tried in ((1, 2), (1, 3), (2, 2))] == [True, False, False]
    assert [answer(made, 1, tried) == ALLOW for tried in (1, 2, 3)] == [True, True, False]


def test_the_first_rule_that_applies_counts() -> None:
    rules = (
        Rule(("read",), "SCMP_ACT_ERRNO", errno.EIO, (Condition(0, "SCMP_CMP_EQ", 3),)),
        Rule(("read",), "SCMP_ACT_LOG"),
        Rule(("read", "close"), "SCMP_ACT_KILL"),
    )
    made = compiled(Profile("SCMP_ACT_TRAP", rules))

    assert [answer(made, 0, 3), answer(made, 0, 4), answer(made, 1)] == [REFUSED | errno.EIO, 0x7FFC0000, 0x00030000]


def test_every_call_is_found_among_many() -> None:
    """Far jumps too: each call has an answer of its own."""
    numbers = numbers_of("amd64")
    assert numbers
    rules = tuple(Rule((name,), "SCMP_ACT_ERRNO", 1 + place % 4000) for name, place in numbers.items())
    made = compiled(Profile("SCMP_ACT_KILL", rules))

    assert {name: answer(made, place) & 0xFFFF for name, place in numbers.items()} == {
        name: 1 + place % 4000 for name, place in numbers.items()
    }


def test_calls_younger_than_a_profile_do_not_exist_and_those_it_forbids_are_not_permitted() -> None:
    made = compiled(default_profile())
    newest = number("removexattrat")

    assert [answer(made, newest), answer(made, newest + 1)] == [ALLOW, REFUSED | errno.ENOSYS]
    assert answer(made, number("keyctl")) == REFUSED | errno.EPERM
    assert answer(made, number("read") | 0x40000000) == REFUSED | errno.ENOSYS  # x32


def test_programs_of_32_bits_are_filtered_by_their_own_numbers_and_others_killed() -> None:
    made = compiled(default_profile())

    assert answer(made, number("openat", "x86"), architecture=X86) == ALLOW
    assert answer(made, number("keyctl", "x86"), architecture=X86) == REFUSED | errno.EPERM
    assert answer(made, 0, architecture=ARM64) == KILL
    assert answer(compiled(Profile("SCMP_ACT_ALLOW", (Rule(("read",)),))), 0, architecture=X86) == KILL


def test_dockers_default_depends_on_capabilities() -> None:
    plain, admin = compiled(default_profile()), Container(frozenset({"CAP_SYS_ADMIN"}), "amd64", (6, 18))
    clone, clone3, unshare = number("clone"), number("clone3"), number("unshare")

    assert [answer(plain, clone), answer(plain, clone, CLONE_NEWUSER)] == [ALLOW, REFUSED | errno.EPERM]
    assert [answer(plain, clone3), answer(plain, unshare)] == [REFUSED | errno.ENOSYS, REFUSED | errno.EPERM]
    made = compiled(default_profile(), admin)
    assert [answer(made, one, CLONE_NEWUSER) for one in (clone, clone3, unshare)] == [ALLOW] * 3
    assert answer(made, number("chroot")) == REFUSED | errno.EPERM


def test_dockers_default_leaves_families_of_sockets_but_the_kernels_cryptography_and_the_hypervisor() -> None:
    made = compiled(default_profile())
    families = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET, AF_ALG, 40)

    answers = [answer(made, number("socket"), family) == ALLOW for family in families]

    assert answers == [True] * 5 + [False] * 2


def test_a_rule_is_for_kernels_and_processors() -> None:
    rules = (
        Rule(("ptrace",), includes=When(kernel="4.8")),
        Rule(("read",), excludes=When(processors=("amd64",))),
        Rule(("write",), excludes=When(kernel="6.18")),
    )
    made = compiled(Profile("SCMP_ACT_ERRNO", rules))
    old = compiled(Profile("SCMP_ACT_ERRNO", rules), Container(frozenset(), "amd64", (4, 4)))

    assert [answer(one, number("ptrace")) == ALLOW for one in (made, old)] == [True, False]
    assert [answer(made, 0), answer(made, 1)] == [REFUSED | errno.EPERM] * 2
    assert answer(old, 1) == ALLOW


def test_a_profile_that_the_kernel_would_not_take_is_refused() -> None:
    rules = tuple(Rule(("read",), conditions=(Condition(0, "SCMP_CMP_EQ", value),)) for value in range(900))

    with pytest.raises(UsageError, match=r"comes to \d+ instructions, of which the kernel takes 4096$"):
        program(Profile("SCMP_ACT_ERRNO", rules), DOCKERS)


def test_a_processor_whose_calls_are_unknown_gets_no_program() -> None:
    assert program(default_profile(), Container(frozenset(), "s390x", (6, 18))) is None


def test_numbers_are_those_of_this_machines_headers() -> None:
    header = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
    if platform.machine() != "x86_64" or not header.exists():
        pytest.skip("no headers of x86_64 here (linux-libc-dev)")
    words = [line.split() for line in header.read_text().splitlines() if line.startswith("#define __NR_")]
    defined = {name.removeprefix("__NR_"): int(value) for _, name, value in words}
    ours = numbers_of("amd64") or {}

    assert {name: ours.get(name) for name in defined} == defined


def test_what_dockers_default_allows_podmans_does_as_well() -> None:
    """But for what is newer than it, or was taken out since."""
    there = Path("/usr/share/containers/seccomp.json")
    if not there.exists():
        require("podman")
    theirs = compiled(read_profile(there))
    ours = compiled(default_profile())
    numbers = numbers_of("amd64") or {}
    newer = {name for name, place in numbers.items() if place >= number("futex_waitv")}

    allowed = {name for name, place in numbers.items() if answer(ours, place) == ALLOW} - newer

    assert sorted(name for name in allowed if answer(theirs, numbers[name]) != ALLOW) == [
        "io_pgetevents",
        "uretprobe",
        "vmsplice",
    ]
    assert json.loads(json.dumps(in_bundle(default_profile(), DOCKERS)))["architectures"] == [
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X32",
    ]
    assert answer(ours, 0, architecture=AMD64) == ALLOW
