"""Which file of a tree a process starts, found before anything runs, so that every runtime answers alike."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Mapping
from pathlib import Path

from minibuild.runtimes.base import Process
from minibuild.sandbox.inside import Place, resolve
from minibuild.values import dataclass

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_PT_INTERP = 3
# elf.h: x86-64 runs i386, 64-bit ARM runs 32-bit ARM.
_ALSO: Mapping[int, tuple[int, ...]] = {62: (3,), 183: (40,)}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a program can't start: the status a shell would give, and what it would say."""

    status: int
    message: str


def find_program(root: Path, process: Process) -> str | Refusal:
    """The path, inside the tree, that ``arguments[0]`` means to this process."""
    name = process.arguments[0]
    if "/" in name:
        path = name if name.startswith("/") else f"{process.directory}/{name}"
        return _refusal(root, process, name, path) or path
    refusal = absent = Refusal(_NOT_FOUND, f"{name}: not found")
    for directory in dict(process.environment).get("PATH", _DEFAULT_PATH).split(":"):
        path = f"{directory}/{name}" if directory.startswith("/") else f"{process.directory}/{directory}/{name}"
        found = _refusal(root, process, name, path)
        if found is None:
            return path
        # As a shell does: what can't be executed is passed over, but remembered.
        refusal = found if found != absent else refusal
    return refusal


def _refusal(root: Path, process: Process, name: str, path: str) -> Refusal | None:
    try:
        place = resolve(root, path)
    except OSError as error:
        return Refusal(_NOT_FOUND, f"{name}: {(error.strerror or str(error)).lower()}")
    if place.status is None:
        return Refusal(_NOT_FOUND, f"{name}: not found")
    if place.is_directory:
        return Refusal(_NOT_EXECUTABLE, f"{name}: is a directory")
    if not stat.S_ISREG(place.status.st_mode) or not _may_execute(place, process):
        return Refusal(_NOT_EXECUTABLE, f"{name}: permission denied")
    return _interpreter_refusal(root, process, name, place)


def _may_execute(place: Place, process: Process) -> bool:
    assert place.status is not None
    if process.uid == 0:
        return bool(place.status.st_mode & 0o111)
    above = [resolve(place.root, path).status for path in _directories(place.path)]
    return all(_may_pass(status, process) for status in (*above, place.status) if status)


def _directories(path: str) -> list[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[:count]) for count in range(len(parts) + 1)]


def _may_pass(status: os.stat_result, process: Process) -> bool:
    if status.st_uid == process.uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid in (process.gid, *process.groups):
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)


def _interpreter_refusal(root: Path, process: Process, name: str, place: Place) -> Refusal | None:
    with open(os.open(place.outside, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        head = file.read(4096)
    if head.startswith(b"#!"):
        words = head[2:].split(b"\n", 1)[0].split()
        interpreter, what = os.fsdecode(words[0]) if words else "", "interpreter"
    elif head.startswith(b"\x7fELF") and _is_for_this_machine(head):
        interpreter, what = loader_of(head), "loader"
    else:
        return Refusal(_NOT_EXECUTABLE, f"{name}: exec format error")
    if not interpreter:
        return None
    path = interpreter if interpreter.startswith("/") else f"{process.directory}/{interpreter}"
    try:
        is_there = resolve(root, path).status is not None
    except OSError:
        is_there = False
    return None if is_there else Refusal(_NOT_FOUND, f"{name}: its {what} {interpreter} is not in the image")


def _is_for_this_machine(head: bytes) -> bool:
    """The kernel runs it, as far as the machine goes that it is for; where others are emulated, it may be any."""
    with open("/proc/self/exe", "rb") as file:
        ours = _machine(file.read(20))
    return _machine(head) in (ours, *_ALSO.get(ours, ())) or _emulates()


def _machine(head: bytes) -> int:
    return int.from_bytes(head[18:20], "little" if head[5:6] == b"\x01" else "big")


def _emulates() -> bool:
    try:
        return len(os.listdir("/proc/sys/fs/binfmt_misc")) > 2  # more than "register" and "status"
    except OSError:
        return False


def loader_of(head: bytes) -> str:
    """The dynamic loader that an ELF file asks for; "" for a static one, and where it lies beyond the head."""
    wide, order = head[4:5] == b"\x02", "<" if head[5:6] == b"\x01" else ">"
    try:
        table, size, count = (
            struct.unpack_from(f"{order}Q14xHH", head, 32) if wide else struct.unpack_from(f"{order}I10xHH", head, 28)
        )
        for number in range(count):
            start = table + number * size
            (kind,) = struct.unpack_from(f"{order}I", head, start)
            if kind == _PT_INTERP:
                where = f"{order}Q16xQ" if wide else f"{order}I8xI"
                offset, length = struct.unpack_from(where, head, start + (8 if wide else 4))
                return os.fsdecode(head[offset : offset + length].rstrip(b"\0"))
    except struct.error:
        return ""
    return ""
