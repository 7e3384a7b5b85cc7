"""Whose programs this machine can run: its own, and those that binfmt_misc has an emulator for."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.build.platforms import Handler, check_platforms, handlers
from minibuild.errors import UnavailableError
from minibuild.oci import Platform
from minibuild.plan import Plan
from tests.plan.test_stages import planned

AMD64 = Platform("linux", "amd64")
ARM64_MAGIC = "7f454c460201010000000000000000000200b700"
MASK = "ffffffffffffff00fffffffffffffffffeffffff"


def entry(flags: str = "POCF", magic: str = ARM64_MAGIC, mask: str = MASK) -> str:
    return f"enabled\ninterpreter /usr/libexec/qemu\nflags: {flags}\noffset 0\nmagic {magic}\nmask {mask}\n"


@pytest.fixture
def binfmt(tmp_path: Path) -> Path:
    """binfmt_misc with no entry."""
    (tmp_path / "status").write_text("enabled\n")
    (tmp_path / "register").touch()
    return tmp_path


def plan_for(platform: str, text: str = "FROM a\nCOPY f f\nRUN x\n") -> Plan:
    return planned(text, platform=Platform.parse(platform))


def test_an_emulator_with_the_flag_f_runs_its_programs(binfmt: Path) -> None:
    (binfmt / "whatever-name").write_text(entry())
    check_platforms(plan_for("linux/arm64"), AMD64, binfmt)


def test_an_emulator_of_another_architecture_does_not(binfmt: Path) -> None:
    (binfmt / "qemu-aarch64").write_text(entry())
    with pytest.raises(UnavailableError) as caught:
        check_platforms(plan_for("linux/s390x"), AMD64, binfmt)
    wanted = (
        "RUN can't run linux/s390x programs on this machine, which is linux/amd64 without an emulator in binfmt_misc"
    )
    assert caught.value.message == wanted
    assert caught.value.hint == (
        "install one (apt-get install qemu-user-static); stages that only COPY build for any platform"
    )
    assert caught.value.span is not None and caught.value.span.text == "RUN x"


def test_an_emulator_without_the_flag_f_is_not_in_the_trees(binfmt: Path) -> None:
    (binfmt / "qemu-aarch64").write_text(entry("OC"))
    with pytest.raises(UnavailableError, match="/usr/libexec/qemu is registered without the flag F"):
        check_platforms(plan_for("linux/arm64"), AMD64, binfmt)


@pytest.mark.parametrize("broken", ["disabled\n" + entry().partition("\n")[2], "", "enabled\nmagic xyz\n"])
def test_what_is_switched_off_or_unreadable_is_no_emulator(binfmt: Path, broken: str) -> None:
    (binfmt / "qemu-aarch64").write_text(broken)
    assert list(handlers(binfmt)) == []


def test_nothing_is_emulated_where_all_of_binfmt_misc_is_switched_off(binfmt: Path) -> None:
    (binfmt / "qemu-aarch64").write_text(entry())
    (binfmt / "status").write_text("disabled\n")
    assert list(handlers(binfmt)) == []


def test_where_it_is_not_mounted_the_error_says_how_to(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        check_platforms(plan_for("linux/arm64"), AMD64, tmp_path / "none")
    assert "mount -t binfmt_misc binfmt_misc" in caught.value.hint


def test_a_handler_that_goes_by_file_names_takes_no_programs() -> None:
    assert Handler.parse("jar", "enabled\ninterpreter /bin/java\nflags: \nextension .jar\n") is None


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/386", "linux/amd64/v2"])
def test_a_processor_runs_its_own_programs_and_its_ancestors(binfmt: Path, platform: str) -> None:
    check_platforms(plan_for(platform), AMD64, binfmt)


def test_another_system_s_programs_are_never_run(binfmt: Path) -> None:
    with pytest.raises(UnavailableError, match="no emulator runs them"):
        check_platforms(plan_for("windows/amd64"), AMD64, binfmt)


def test_copies_and_unneeded_stages_are_for_any_platform(binfmt: Path) -> None:
    text = "FROM --platform=$BUILDPLATFORM a AS tools\nRUN x\nFROM b\nRUN y\nFROM c\nCOPY --from=tools f f\nENV A=1\n"
    check_platforms(plan_for("linux/riscv64", text), AMD64, binfmt)
