"""A process as an OCI bundle's config.json. Source: runtime-spec 1.0, config.md and config-linux.md."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minibuild.runtimes import limits
from minibuild.runtimes.base import Mount, Process
from minibuild.runtimes.seccomp.choosing import profile_of
from minibuild.runtimes.seccomp.oci import in_bundle
from minibuild.runtimes.seccomp.profile import Container
from minibuild.runtimes.tree import DEVICES, MASKED_PATHS, READ_ONLY_PATHS
from minibuild.sandbox.userns import has_group, in_first_user_namespace


def bundle(process: Process, program: str, root: Path, binds: Sequence[Mount]) -> dict[str, Any]:
    """The configuration; ``program`` is the path that ``arguments[0]`` means, ``binds`` have their true targets."""
    searches = "PATH" in dict(process.environment)
    capabilities = list(process.capabilities)
    isolated = ("pid", "mount", "ipc", "uts")  # of the network, the runtime is in the right one
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": process.interactive and os.isatty(0),
            "user": {
                "uid": process.uid,
                "gid": process.gid,
                "umask": 0o022,
                "additionalGids": list(process.groups),
            },
            "args": [process.arguments[0] if searches else program, *process.arguments[1:]],
            "env": [f"{name}={value}" for name, value in process.environment],
            "cwd": process.directory,
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
            "noNewPrivileges": process.no_new_privileges,
            "rlimits": limits.in_bundle(process.limits),
        },
        "root": {"path": str(root), "readonly": False},
        "hostname": process.hostname,
        "mounts": [
            *_own_mounts(process),
            *(_bind(str(m.source), m.target, "ro" if m.read_only else "rw") for m in binds),
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in isolated],
            "maskedPaths": [] if process.privileged else list(MASKED_PATHS),
            "readonlyPaths": [] if process.privileged else list(READ_ONLY_PATHS),
            "resources": limits.resources(process),
            **_filter(process),
        },
    }


def _filter(process: Process) -> dict[str, Any]:
    profile = profile_of(process)
    return {} if profile is None else {"seccomp": in_bundle(profile, Container.here(process.capabilities))}


def _own_mounts(process: Process) -> list[dict[str, Any]]:
    # No device can be opened but those bound here: /dev is mounted without, as the image is. So no cgroup has to guard
    # them, and what a container makes by mknod(2) stays a thing to be packed.
    return [
        _mount("/proc", "proc", "nosuid", "noexec", "nodev"),
        _dev(process),
        _mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", *_tty_group()),
        _mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", f"size={process.shm_size}"),
        _mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _sys(process),
        *([] if process.privileged else _devices()),
    ]


def _dev(process: Process) -> dict[str, Any]:
    if process.privileged:
        return {"destination": "/dev", "type": "bind", "source": "/dev", "options": ["rbind", "nosuid"]}
    return _mount("/dev", "tmpfs", "nosuid", "nodev", "strictatime", "mode=755", "size=65536k")


def _devices() -> list[dict[str, Any]]:
    # In a user namespace, runtimes bind them by themselves, and runc trips over a /dev/tty that is there.
    names = DEVICES if in_first_user_namespace() else ()
    return [
        {"destination": f"/dev/{name}", "type": "bind", "source": f"/dev/{name}", "options": ["bind", "nosuid"]}
        for name in names
    ]


def _tty_group() -> list[str]:
    return ["gid=5"] if has_group(5) else []


def _sys(process: Process) -> dict[str, Any]:
    access = "rw" if process.privileged else "ro"
    # Only who owns the network may mount what shows it.
    if process.network == "host" and not in_first_user_namespace():
        return _bind("/sys", "/sys", access)
    return _mount("/sys", "sysfs", "nosuid", "noexec", "nodev", access)


def _mount(target: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": list(options)}


def _bind(source: str, target: str, access: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": source, "options": ["rbind", access, "nodev"]}
