"""The user namespace in which a plain user is root, and has as many ids as /etc/subuid and /etc/subgid give.

Inside, the user's own id is 0, and the subordinate ids are 1, 2, … in the order of the files. A process enters once,
before it starts its first thread: so what needs it says so by NeedsNamespace, and the command line starts itself anew.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from minibuild.errors import UnavailableError

# What tells a program that started itself anew to enter first.
_MARK = "MINIBUILD_ENTER_NAMESPACE"
_CLONE_NEWUSER = 0x10000000
_SBIN = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_MOST_RANGES = 339  # the kernel takes 340 lines; one is the user's own id
_REFUSED = "in a container, it must be started with --security-opt seccomp=unconfined; else run minibuild as root"


class NeedsNamespace(UnavailableError):
    """A plain user asks for what only root can do, and could be root in a namespace."""

    def __init__(self) -> None:
        super().__init__(
            "a plain user's RUN needs a user namespace, which a running program can't enter",
            hint="use the command line, which does by itself, or start under `unshare --map-auto --map-root-user`",
        )


def in_first_user_namespace() -> bool:
    """We are where the kernel's own ids are ours; elsewhere overlay keeps its marks in ``user.`` attributes."""
    return _map("uid") in ("", "0 0 4294967295")


def mapping() -> str:
    """What ids mean here, in a few letters; "" where they are the kernel's own. Files made under one mapping have
    other owners under another.
    """
    if in_first_user_namespace():
        return ""
    from hashlib import sha256

    return sha256(f"{_map('uid')};{_map('gid')}".encode()).hexdigest()[:12]


def user_id() -> int:
    """Who runs this process, as the world outside of our namespace knows it."""
    return _outside(os.geteuid(), _map("uid"))


def has_group(gid: int) -> bool:
    """The group exists in our namespace."""
    words = list(map(int, _map("gid").split()))
    ranges = zip(words[::3], words[2::3], strict=True)
    return not words or any(first <= gid < first + count for first, count in ranges)


def is_wanted() -> bool:
    """A plain user's process, which root's work has to wait for."""
    return sys.platform == "linux" and os.geteuid() != 0


def require() -> None:
    """Nothing where we are root, of whatever namespace; else raises NeedsNamespace, or UnavailableError with the
    remedy where none can be entered.
    """
    if not is_wanted():
        return
    _check_kernel()
    _check_programs()
    if not _ranges("/etc/subuid") or not _ranges("/etc/subgid"):
        name = _names()[-1]
        raise UnavailableError(
            f"user {name} has no range in /etc/subuid and /etc/subgid, which RUN needs for files of several owners",
            hint=f"as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}",
        )
    raise NeedsNamespace


def start_anew() -> NoReturn:
    """Becomes the same program with the same command line, which will enter the namespace first."""
    sys.stdout.flush()
    sys.stderr.flush()
    program = sys.executable
    os.execve(program, [program, *sys.orig_argv[1:]], {**os.environ, _MARK: "1"})


def enter_if_asked() -> bool:
    """Enters the namespace if this is a program that started itself anew; answers whether it is.

    Only for a process with a single thread. Raises UnavailableError.
    """
    if os.environ.pop(_MARK, "") != "1":
        return False
    _enter()
    return True


def _enter() -> None:
    from subprocess import DEVNULL, PIPE, Popen

    from minibuild.sandbox import syscalls

    # Both programs are setuid, and work on a process of the same user from outside of its namespace.
    tables = [("newuidmap", os.geteuid(), "/etc/subuid"), ("newgidmap", os.getegid(), "/etc/subgid")]
    commands = [f"{_program(name)} {os.getpid()} {_words(own, _ranges(file))}" for name, own, file in tables]
    script = "read -r _ && " + " && ".join(commands)
    with Popen(["/bin/sh", "-c", script], stdin=PIPE, stdout=DEVNULL, stderr=PIPE, text=True) as mapper:
        try:
            syscalls.unshare(_CLONE_NEWUSER)
        except OSError as error:
            raise _refused(error.strerror or str(error)) from error
        complaint = mapper.communicate("\n")[1].strip()
    if mapper.returncode:
        raise UnavailableError(
            f"the ids of /etc/subuid and /etc/subgid can't be used: {complaint}", hint="run minibuild as root"
        )


def _words(own: int, ranges: Sequence[tuple[int, int]]) -> str:
    """The words of newuidmap: (id inside, id outside, how many), the own one first."""
    words, inside = [0, own, 1], 1
    for first, count in ranges:
        words += [inside, first, count]
        inside += count
    return " ".join(map(str, words))


def _check_kernel() -> None:
    from subprocess import DEVNULL, PIPE, run

    try:
        done = run(["unshare", "--user", "true"], stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, text=True)
    except FileNotFoundError:
        return
    if done.returncode:
        raise _refused(done.stderr.strip().rpartition(": ")[2] or "it kills who tries")


def _refused(reason: str) -> UnavailableError:
    return UnavailableError(f"a user namespace can't be made: {reason.lower()}", hint=_REFUSED)


def _check_programs() -> None:
    for name in ("newuidmap", "newgidmap"):
        if _program(name) is None:
            raise UnavailableError(
                f"{name} is not installed, which a plain user's RUN needs", hint="as root: apt-get install uidmap"
            )
    if "\nNoNewPrivs:\t1\n" in Path("/proc/self/status").read_text():
        raise UnavailableError(
            "newuidmap can't work for a process with no_new_privs, and a plain user's RUN needs it",
            hint="start minibuild without it",
        )


def _program(name: str) -> str | None:
    places = (os.path.join(directory, name) for directory in _SBIN)
    return next((place for place in places if os.access(place, os.X_OK)), None)


def _ranges(file: str) -> tuple[tuple[int, int], ...]:
    """The user's ranges of a file, (first id, how many), none twice."""
    names = _names()
    taken = {0, os.geteuid() if file.endswith("uid") else os.getegid()}
    ranges: list[tuple[int, int]] = []
    for first, count in _lines(file, names):
        overlaps = any(first < other + size and other < first + count for other, size in ranges)
        if count > 0 and not overlaps and not any(first <= one < first + count for one in taken):
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


def _map(kind: str) -> str:
    try:
        return " ".join(Path(f"/proc/self/{kind}_map").read_text().split())
    except FileNotFoundError:
        return ""


def _outside(inside: int, table: str) -> int:
    words = list(map(int, table.split()))
    for first, outer, count in zip(words[::3], words[1::3], words[2::3], strict=True):
        if first <= inside < first + count:
            return outer + inside - first
    return inside
