"""A process as an OCI bundle's config.json. Source: runtime-spec 1.0, config.md and config-linux.md."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minibuild.runtimes.base import Mount, Process
from minibuild.runtimes.tree import DEVICES, MASKED_PATHS, READ_ONLY_PATHS


def bundle(process: Process, program: str, root: Path, binds: Sequence[Mount]) -> dict[str, Any]:
    """The configuration; ``program`` is the path that ``arguments[0]`` means, ``binds`` have their true targets."""
    searches = "PATH" in dict(process.environment)
    capabilities = list(process.capabilities)
    isolated = ["pid", "mount", "ipc", "uts", *(["network"] if process.network == "none" else [])]
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
            "noNewPrivileges": False,
        },
        "root": {"path": str(root), "readonly": False},
        "hostname": process.hostname,
        "mounts": [*_own_mounts(), *(_bind(str(m.source), m.target, "ro" if m.read_only else "rw") for m in binds)],
        "linux": {
            "namespaces": [{"type": kind} for kind in isolated],
            "maskedPaths": list(MASKED_PATHS),
            "readonlyPaths": list(READ_ONLY_PATHS),
        },
    }


def _own_mounts() -> list[dict[str, Any]]:
    # No device can be opened but those bound here: /dev is mounted without, as the image is. So no cgroup has to guard
    # them, and what a container makes by mknod(2) stays a thing to be packed.
    return [
        _mount("/proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "nosuid", "nodev", "strictatime", "mode=755", "size=65536k"),
        _mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        _mount("/dev/shm", "tmpfs", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
        _mount("/dev/mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
        *(
            {"destination": f"/dev/{name}", "type": "bind", "source": f"/dev/{name}", "options": ["bind", "nosuid"]}
            for name in DEVICES
        ),
    ]


def _mount(target: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": list(options)}


def _bind(source: str, target: str, access: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": source, "options": ["rbind", access, "nodev"]}
