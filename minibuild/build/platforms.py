"""Which platforms this machine can run programs of: its own, and those that the kernel hands to an emulator.

Linux' binfmt_misc knows a program by the first bytes of its file and starts an interpreter for it. One registered with
the flag F ("fix binary") is opened once and for all, so that it works in trees that don't have it: Debian's
qemu-user-static registers all of its emulators so. Source: Linux, Documentation/admin-guide/binfmt-misc.rst.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from minibuild.errors import UnavailableError, blame
from minibuild.instructions.effects import RunCommand
from minibuild.oci import Platform
from minibuild.plan import Plan
from minibuild.values import dataclass

BINFMT_MISC = Path("/proc/sys/fs/binfmt_misc")


@dataclass(frozen=True, slots=True)
class Machine:
    """How ELF files tell an architecture: its number, 32 or 64 bits, and whether the big end comes first."""

    number: int
    bits: int = 64
    is_big: bool = False

    @property
    def header(self) -> bytes:
        """The first bytes of its programs, up to where the architecture is told."""
        order = ">" if self.is_big else "<"
        kind = bytes([2 if self.bits == 64 else 1, 2 if self.is_big else 1, 1])
        return b"\x7fELF" + kind + bytes(9) + struct.pack(f"{order}HHI", 2, self.number, 1)


# Go's names of architectures. Source: elf.h, e_machine.
_MACHINES: Mapping[str, Machine] = MappingProxyType(
    {
        "386": Machine(3, 32),
        "amd64": Machine(62),
        "arm": Machine(40, 32),
        "arm64": Machine(183),
        "loong64": Machine(258),
        "mips": Machine(8, 32, is_big=True),
        "mips64": Machine(8, 64, is_big=True),
        "mips64le": Machine(8),
        "mipsle": Machine(8, 32),
        "ppc64": Machine(21, 64, is_big=True),
        "ppc64le": Machine(21),
        "riscv64": Machine(243),
        "s390x": Machine(22, 64, is_big=True),
    }
)
# Processors that run programs of their 32-bit ancestors themselves.
_NATIVE: Mapping[str, tuple[str, ...]] = MappingProxyType({"amd64": ("386",), "arm64": ("arm",)})


@dataclass(frozen=True, slots=True)
class Handler:
    """An entry of binfmt_misc: files that begin with ``magic`` (where ``mask`` has ones) are run by ``interpreter``."""

    name: str
    interpreter: str
    flags: str = ""
    magic: bytes = b""
    mask: bytes = b""
    offset: int = 0

    @classmethod
    def parse(cls, name: str, text: str) -> Handler | None:
        """The entry that a file of binfmt_misc shows; None for one that is switched off or goes by file names."""
        first, *lines = text.splitlines() or [""]
        fields = dict(line.partition(" ")[::2] for line in lines)
        if first != "enabled" or "magic" not in fields:
            return None
        magic = bytes.fromhex(fields["magic"])
        mask = bytes.fromhex(fields["mask"]) if "mask" in fields else b"\xff" * len(magic)
        flags = fields.get("flags:", "")
        return cls(name, fields.get("interpreter", ""), flags, magic, mask, int(fields.get("offset", "0")))

    def takes(self, header: bytes) -> bool:
        """Whether files that begin so are its own."""
        part = header[self.offset : self.offset + len(self.magic)]
        pairs = zip(part, self.magic, self.mask, strict=False)
        return len(part) == len(self.magic) and all(byte & mask == wanted & mask for byte, wanted, mask in pairs)

    @property
    def works_in_trees(self) -> bool:
        """Its interpreter needn't be in the tree that a program runs in."""
        return "F" in self.flags


def handlers(place: Path = BINFMT_MISC) -> Iterator[Handler]:
    """The entries of binfmt_misc; none where it isn't mounted."""
    try:
        names = sorted(path for path in place.iterdir() if path.name not in ("register", "status"))
        is_on = (place / "status").read_text().strip() == "enabled"
    except OSError:
        return
    for path in names if is_on else ():
        try:
            handler = Handler.parse(path.name, path.read_text())
        except (OSError, ValueError):
            continue
        if handler:
            yield handler


def check_platforms(plan: Plan, here: Platform | None = None, place: Path = BINFMT_MISC) -> None:
    """Raises UnavailableError at the first RUN whose programs this machine can't run, before anything is built."""
    for stage in (plan.stages[index] for index in plan.order):
        run = next((step for step in stage.steps if isinstance(step.effect, RunCommand)), None)
        if run is not None:
            with blame(run.statement.span):
                check_platform(stage.platform, "RUN", here, place)


def check_platform(platform: Platform, runner: str, here: Platform | None = None, place: Path = BINFMT_MISC) -> None:
    """Raises UnavailableError where this machine can't run a platform's programs, which ``runner`` would."""
    here = here or Platform.of_this_machine()
    reason, hint = ("", "") if _is_native(platform, here) else _obstacle(platform, place)
    if reason:
        raise UnavailableError(
            f"{runner} can't run {platform} programs on this machine, which is {here}{reason}", hint=hint
        )


def _is_native(platform: Platform, here: Platform) -> bool:
    architectures = (here.architecture, *_NATIVE.get(here.architecture, ()))
    return platform.os == "linux" and platform.architecture in architectures


def _obstacle(platform: Platform, place: Path) -> tuple[str, str]:
    """Why programs of a platform can't be emulated, and what to do about it; ("", "") where they can."""
    machine = _MACHINES.get(platform.architecture)
    if platform.os != "linux" or machine is None:
        return "; no emulator runs them", "leave RUN out: stages that only COPY build for any platform"
    own = [handler for handler in handlers(place) if handler.takes(machine.header)]
    if any(handler.works_in_trees for handler in own):
        return "", ""
    install = "apt-get install qemu-user-static"
    if own:
        return (
            f" and whose emulator {own[0].interpreter} is registered without the flag F, so that trees lack it",
            f"register it with the flag F, as Debian does: {install}",
        )
    there = "" if (place / "register").exists() else ", and mount it: mount -t binfmt_misc binfmt_misc " + str(place)
    return (
        " without an emulator in binfmt_misc",
        f"install one ({install}){there}; stages that only COPY build for any platform",
    )
