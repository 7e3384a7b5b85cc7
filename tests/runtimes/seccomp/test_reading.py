"""Profiles in JSON: what they say, and what is said of those that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.errors import UsageError
from minibuild.runtimes.seccomp.profile import Condition, Profile, Rule, When
from minibuild.runtimes.seccomp.reading import read_profile

WHOLE = """
{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
 "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
             {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": null}],
 "syscalls": [
  {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW", "args": null, "comment": "", "includes": {}},
  {"name": "clone", "action": "SCMP_ACT_ERRNO", "errno": "EACCES",
   "args": [{"index": 0, "value": 18446744073709551615, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}],
   "includes": {"caps": ["CAP_BPF"], "minKernel": "4.8"}, "excludes": {"arches": ["arm64"]}}]}
"""


def written(directory: Path, text: str) -> Path:
    (directory / "profile.json").write_text(text)
    return directory / "profile.json"


def test_a_profile_is_read_as_docker_and_podman_write_it(tmp_path: Path) -> None:
    mask = Condition(0, "SCMP_CMP_MASKED_EQ", (1 << 64) - 1, 3)
    rules = (
        Rule(("read", "write")),
        Rule(("clone",), "SCMP_ACT_ERRNO", 13, (mask,), When(("CAP_BPF",), kernel="4.8"), When((), ("arm64",))),
    )
    architectures = (("SCMP_ARCH_X86_64", ("SCMP_ARCH_X86",)), ("SCMP_ARCH_AARCH64", ()))

    assert read_profile(written(tmp_path, WHOLE)) == Profile("SCMP_ACT_ERRNO", rules, 38, architectures)


RULE = '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_KILL", %s}]}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", ": the whole is no object"),
        ("{}", ": the whole has no defaultAction"),
        ('{"defaultAction": "ALLOW"}', ": defaultAction is 'ALLOW', which filters don't know"),
        ('{"defaultAction": 1}', ": defaultAction is no string"),
        ('{"defaultAction": "SCMP_ACT_NOTIFY"}', ": defaultAction is 'SCMP_ACT_NOTIFY', which filters don't know"),
        (
            '{"defaultAction": "SCMP_ACT_LOG", "flags": []}',
            ": the whole has 'flags', which no filter of ours heeds",
        ),
        (
            '{"defaultAction": "SCMP_ACT_LOG", "archMap": [], "architectures": []}',
            ": the whole has both archMap and architectures",
        ),
        ('{"defaultAction": "SCMP_ACT_LOG", "syscalls": [{}]}', ": syscalls[0] wants names and an action"),
        ('{"defaultAction": "SCMP_ACT_LOG", "syscalls": {}}', ": syscalls is no array"),
        (RULE % '"errnoRet": -1', ": syscalls[0].errnoRet wants a number from 0 to 4095"),
        (RULE % '"errno": "EOH"', ": syscalls[0].errno is 'EOH', which is no error's name"),
        (RULE % '"args": [{"index": 0}]', ": syscalls[0].args[0] has no value"),
        (
            RULE % '"args": [{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}]',
            ": syscalls[0].args[0].index wants a number from 0 to 5",
        ),
        (RULE % '"includes": {"capabilities": []}', ": syscalls[0].includes has 'capabilities', which no filter"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(UsageError) as caught:
        read_profile(path)

    assert caught.value.message.startswith(f"seccomp profile {path}{'' if said.startswith(':') else ' '}{said}")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^seccomp profile .*/none can't be read: no such file or directory$"):
        read_profile(tmp_path / "none")
