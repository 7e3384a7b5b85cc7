"""Linux capabilities of the calling thread, and what it starts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from minibuild.sandbox import syscalls

# capability.h; in the order of their numbers.
_NAMES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)
NUMBERS: Mapping[str, int] = {name: number for number, name in enumerate(_NAMES)}


def known() -> Sequence[int]:
    """The numbers of all capabilities that this kernel has."""
    return range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1)


def ours() -> tuple[str, ...]:
    """The names of those that we, and what we start, can have at all."""
    numbers = (number for number in known() if syscalls.prctl(syscalls.PR_CAPBSET_READ, number))
    return tuple(_NAMES[number] for number in numbers if number < len(_NAMES))


def bound(names: Collection[str], known_numbers: Sequence[int]) -> None:
    """Sees to it that programs started by this thread can never have more than these capabilities, and inherit none
    as they are: root's programs get all of them, others' none.
    """
    kept = {NUMBERS[name] for name in names}
    for number in known_numbers:
        if number not in kept:
            syscalls.prctl(syscalls.PR_CAPBSET_DROP, number)
    syscalls.clear_inheritable()
