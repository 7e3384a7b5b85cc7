"""The user namespace that we are in: what ids mean here, and outside."""

from __future__ import annotations

import os
from pathlib import Path

# What a root that isn't root enough can do about it, in the words of a hint.
AS_ROOT = (
    "run minibuild as this machine's root; a container must be started with --cap-add SYS_ADMIN "
    "--security-opt seccomp=unconfined for it"
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
