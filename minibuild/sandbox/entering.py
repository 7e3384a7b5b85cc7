"""The user namespace in which a plain user is root, and has as many ids as /etc/subuid and /etc/subgid give.

Inside, the user's own id is 0, and the subordinate ids are 1, 2, … in the order of the files. Where they give none, it
is the only one, and ``layers.owners`` is for the others. Only a process with a single thread can enter.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from minibuild.errors import UnavailableError
from minibuild.layers import owners

_SBIN = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_MOST_RANGES = 339  # the kernel takes 340 lines; one is the user's own id
_AS_ROOT = "or run minibuild as root"
# What forbids user namespaces to plain users: a file of /proc/sys, the value that does, and the one that permits.
_SWITCHES = (
    ("user/max_user_namespaces", "0", "15000"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
)


def is_plain_user() -> bool:
    """We are not root, of whatever namespace, so root's work has to wait for one."""
    return sys.platform == "linux" and os.geteuid() != 0


def obstacle() -> UnavailableError | None:
    """Why a plain user can't enter a namespace here, with the remedy; None where nothing is in the way."""
    return _kernels()


def shortage() -> UnavailableError | None:
    """Why there is but a single id in the namespace, with the remedy; None where there are more."""
    return _programs() or _rangeless()


def ids() -> int:
    """How many user ids there are in the namespace."""
    return 1 if shortage() else 1 + sum(count for _, count in _ranges("/etc/subuid"))


def enter_if_possible() -> None:
    """Moves a plain user's process, which has a single thread, to where it is root, unless something is in the way."""
    if is_plain_user() and obstacle() is None:
        enter()


def enter() -> None:
    """Moves this process, which has a single thread, into a namespace of its own; raises UnavailableError."""
    owners.here.cache_clear()
    if shortage():
        _enter_alone()
    else:
        _enter_with_others()


def _enter_alone() -> None:
    from minibuild.sandbox import syscalls

    own = {"uid": os.geteuid(), "gid": os.getegid()}
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        # Who could drop a group that keeps it out of files might get at them so.
        Path("/proc/self/setgroups").write_text("deny")
        for kind, number in own.items():
            Path(f"/proc/self/{kind}_map").write_text(f"0 {number} 1")
    except OSError as error:
        raise _refused(error.strerror or str(error)) from error


def _enter_with_others() -> None:
    from subprocess import DEVNULL, PIPE, Popen

    from minibuild.sandbox import syscalls

    # Both programs are setuid, and work on a process of the same user from outside of its namespace.
    tables = [("newuidmap", os.geteuid(), "/etc/subuid"), ("newgidmap", os.getegid(), "/etc/subgid")]
    commands = [f"{_program(name)} {os.getpid()} {_words(own, _ranges(file))}" for name, own, file in tables]
    script = "read -r _ && " + " && ".join(commands)
    with Popen(["/bin/sh", "-c", script], stdin=PIPE, stdout=DEVNULL, stderr=PIPE, text=True) as mapper:
        try:
            syscalls.unshare(syscalls.CLONE_NEWUSER)
        except OSError as error:
            raise _refused(error.strerror or str(error)) from error
        complaint = mapper.communicate("\n")[1].strip()
    if mapper.returncode:
        raise UnavailableError(
            f"the ids of /etc/subuid and /etc/subgid can't be used: {complaint}", hint=f"mend these files, {_AS_ROOT}"
        )


def _words(own: int, ranges: Sequence[tuple[int, int]]) -> str:
    """The words of newuidmap: (id inside, id outside, how many), the own one first."""
    words, inside = [0, own, 1], 1
    for first, count in ranges:
        words += [inside, first, count]
        inside += count
    return " ".join(map(str, words))


def _kernels() -> UnavailableError | None:
    """What the kernel has against it: it is asked by a program of the host that makes one, and mounts in it."""
    from subprocess import DEVNULL, PIPE, run

    try:
        done = run(
            ["unshare", "--user", "--map-root-user", "--mount", "true"],
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            text=True,
        )
    except FileNotFoundError:
        return None  # it isn't needed but for asking
    return _refused(done.stderr.strip().rpartition(": ")[2] or "it kills who tries") if done.returncode else None


def _refused(reason: str) -> UnavailableError:
    for switch, forbids, permits in _SWITCHES:
        file = Path("/proc/sys", switch)
        if file.exists() and file.read_text().strip() == forbids:
            name = switch.replace("/", ".")
            return UnavailableError(
                f"user namespaces are forbidden to plain users here: {name} is {forbids}",
                hint=f"as root: sysctl -w {name}={permits}; {_AS_ROOT}",
            )
    return UnavailableError(
        f"a user namespace can't be made: {reason.lower()}",
        hint=f"a container must be started with --security-opt seccomp=unconfined for it; {_AS_ROOT}",
    )


def _programs() -> UnavailableError | None:
    for name in ("newuidmap", "newgidmap"):
        if _program(name) is None:
            return UnavailableError(
                f"{name} is not installed, which more ids than one take",
                hint=f"as root: apt-get install uidmap (Debian, Ubuntu; elsewhere shadow-utils); {_AS_ROOT}",
            )
    if "\nNoNewPrivs:\t1\n" in Path("/proc/self/status").read_text():
        return UnavailableError(
            "newuidmap can't work for a process with no_new_privs, and more ids than one take it",
            hint=f"start minibuild without it, {_AS_ROOT}",
        )
    return None


def _program(name: str) -> str | None:
    places = (os.path.join(directory, name) for directory in _SBIN)
    return next((place for place in places if os.access(place, os.X_OK)), None)


def _rangeless() -> UnavailableError | None:
    name = _names()[-1]
    for file, option in (("/etc/subuid", "--add-subuids"), ("/etc/subgid", "--add-subgids")):
        if not _ranges(file):
            return UnavailableError(
                f"user {name} has no range in {file}",
                hint=f"as root: usermod {option} 100000-165535 {name} (a range nobody else has); {_AS_ROOT}",
            )
    return None


def _ranges(file: str) -> tuple[tuple[int, int], ...]:
    """The user's ranges of a file, (first id, how many), none twice."""
    names = _names()
    own = os.geteuid() if file.endswith("uid") else os.getegid()
    ranges: list[tuple[int, int]] = []
    for first, count in _lines(file, names):
        overlaps = any(first < other + size and other < first + count for other, size in [*ranges, (0, 1), (own, 1)])
        if count > 0 and not overlaps:
            ranges.append((first, count))
    return tuple(ranges[:_MOST_RANGES])


def _lines(file: str, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    try:
        lines = Path(file).read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        name, _, rest = line.partition(":")
        first, _, count = rest.partition(":")
        if name in names and first.isdigit() and count.isdigit():
            yield int(first), int(count)


def _names() -> list[str]:
    """What the files may call the user: number and name."""
    import pwd

    number = os.geteuid()
    try:
        return [str(number), pwd.getpwuid(number).pw_name]
    except KeyError:
        return [str(number)]
