"""Makes this Python one of a machine that is no Linux, then runs minibuild's command line: ``elsewhere.py WORDS…``.

What macOS's Python lacks is taken away, ``sys.platform`` says ``darwin``, ``/proc`` can't be reached, and minibuild's
rooms that are for Linux alone can't be imported.
"""

from __future__ import annotations

import builtins
import fcntl
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

LINUX_ONLY = re.compile(
    r"minibuild\.(sandbox\.(capabilities|copying|devices|device_mapper|filters|fuse|keeping|mounts|notices|subvolumes"
    r"|syscalls)|snapshots\.(?!(base|difference)$)\w+|runtimes\.(seccomp\.choosing|(?!(base|host|limits|seccomp|streams)\b)\w+))"
)
"""The modules that may be for Linux alone."""
_OF_LINUX: dict[ModuleType, Sequence[str]] = {
    os: (
        *("unshare", "setns", "listxattr", "getxattr", "setxattr", "removexattr", "posix_fallocate", "posix_fadvise"),
        *("copy_file_range", "splice", "sched_getaffinity", "sched_setaffinity", "memfd_create", "eventfd"),
        *("pidfd_open", "getresuid", "setresuid", "setresgid", "getresgid", "fdatasync", "pipe2", "getrandom"),
        *("O_PATH", "O_TMPFILE", "O_DIRECT", "O_NOATIME", "O_LARGEFILE", "CLONE_NEWNS", "CLONE_NEWUSER"),
    ),
    fcntl: ("F_SETPIPE_SZ", "F_GETPIPE_SZ", "F_ADD_SEALS", "F_OFD_SETLK"),
    select: ("epoll", "EPOLLIN"),
    signal: ("pidfd_send_signal", "sigtimedwait", "sigwaitinfo"),
}
_OF_PROC = ("/proc", "/sys")


class _Refusal:
    """Finds, of all modules, those that must not be imported, and refuses them."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if LINUX_ONLY.fullmatch(name) or name == "ctypes":
            raise ImportError(f"{name} is for Linux")


def become_another() -> None:
    """Changes this process."""
    for module, names in _OF_LINUX.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    builtins.open = _without_proc(open)
    for name in ("open", "stat", "lstat", "listdir", "scandir", "readlink"):
        setattr(os, name, _without_proc(getattr(os, name)))
    sys.platform = "darwin"
    sys.meta_path.insert(0, _Refusal())  # type: ignore[arg-type]


def _without_proc(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any, *arguments: Any, **words: Any) -> Any:
        text = os.fspath(path) if isinstance(path, str | bytes | os.PathLike) else ""
        text = os.fsdecode(text)
        if text in _OF_PROC or text.startswith(tuple(f"{place}/" for place in _OF_PROC)):
            raise FileNotFoundError(2, "No such file or directory", text)
        return function(path, *arguments, **words)

    return call


if __name__ == "__main__":
    # macOS's own, which tells of proxies set in its preferences.
    preferences = ModuleType("_scproxy")
    preferences.__dict__.update(_get_proxy_settings=lambda: {"exclude_simple": False}, _get_proxies=dict)
    sys.modules["_scproxy"] = preferences
    become_another()
    from minibuild.__main__ import main

    sys.argv[0] = "minibuild"
    sys.exit(main())
