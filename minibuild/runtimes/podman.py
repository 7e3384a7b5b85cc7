"""podman: ``podman run --rootfs``, with settings, storage and a state of its own that go with the container."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from minibuild.errors import UnavailableError
from minibuild.events import Stream
from minibuild.runtimes import limits, probing
from minibuild.runtimes.base import Cancellation, Mount, OutputLine, Process, Tmpfs
from minibuild.runtimes.cgroups import hide_second_kind, removal, remove_cgroups
from minibuild.runtimes.cradle import Cradle
from minibuild.runtimes.host import clean_environment, scratch, streams_for, which
from minibuild.runtimes.networks import network_of
from minibuild.runtimes.program import Refusal, find_program
from minibuild.runtimes.seccomp.choosing import profile_of
from minibuild.runtimes.seccomp.oci import in_bundle
from minibuild.runtimes.seccomp.profile import Container
from minibuild.runtimes.streams import follow
from minibuild.runtimes.tree import DEVICES, MASKED_PATHS, bind_into, is_own, ready_tree
from minibuild.sandbox import mounts
from minibuild.sandbox.inside import mount_points
from minibuild.sandbox.scratch import scratch_directory
from minibuild.sandbox.syscalls import MOUNT_ATTR_NODEV
from minibuild.sandbox.userns import in_first_user_namespace
from minibuild.values import dataclass

# When podman clears up, it takes no longer path of this; what stands for one is seen by podman alone.
_LONGEST_RUNROOT, _SHORT_RUNROOT = 50, Path("/mnt")
# podman makes /etc/mtab in any tree, and mounts files of its own in both: on a cover, which its hook takes away before
# the program starts.
_COVERED = ("/etc", "/run")
# $1 is the tree, the other words are where covers lie.
_UNCOVER = 'root=$1; shift; for cover; do umount -l "$root$cover"; done; mount -o remount,bind,nodev "$root"'
# No device can be opened but those bound here, whatever a program makes.
_BIND_DEVICES = (
    f'for name in {" ".join(DEVICES)}; do rm "$root/dev/$name"; : > "$root/dev/$name"; '
    'mount --bind "/dev/$name" "$root/dev/$name"; done; mount -o remount,bind,nodev "$root/dev"'
)


class PodmanRuntime:
    """Runs a process by podman.

    Not by way of python-on-whales, which drives it elsewhere: its ``run`` takes images alone, and starts the program
    where we could neither put it into namespaces nor kill it.
    """

    name: ClassVar[str] = "podman"
    has_cgroups: ClassVar[bool] = True
    shortcomings: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def binary(cls) -> str | None:
        """The program; None where it isn't installed."""
        return which("podman")

    @classmethod
    def probe(cls) -> str | None:
        """None where it runs a program."""
        return probing.probe(cls) if cls.binary() else "podman is not installed"

    def run(self, process: Process, root: Path, output: OutputLine, cancellation: Cancellation) -> int:
        """Runs a process by ``podman run``."""
        binary = self.binary()
        if binary is None:
            raise UnavailableError("podman is not installed")
        limits.check(process, self.name, has_cgroups=self.has_cgroups)
        with (
            ready_tree(process, root) as binds,
            mount_points(root, [(path, True) for path in _COVERED]) as covered,
            scratch_directory(scratch()) as made,
            network_of(process.network) as network,
        ):
            program = find_program(root, process)
            if isinstance(program, Refusal):
                output(program.message, "stderr")
                return program.status
            place = _Place(made, root, binds, tuple(point.path for point in covered))
            place.write_settings(process)
            said = _Last(output)
            identity = f"minibuild-{made.name}"
            try:
                cradled = Cradle(before=place.mount, network=network, last=removal(identity)).start(
                    [binary, *place.words(process, program, identity)],
                    cwd="/",
                    env=place.environment(),
                    **streams_for(process),
                )
                status = follow(cradled, said, cancellation)
            finally:
                remove_cgroups(identity)
            if status and not cancellation and not (made / "pid").exists():
                complaint = said.line or f"it ended with status {status}"
                raise UnavailableError(
                    f"podman made no container: {complaint}", hint="minibuild info tells what else can run here"
                )
            return status


class _Last:
    """Hands lines on, and remembers the last."""

    def __init__(self, output: OutputLine) -> None:
        self.line, self._output = "", output

    def __call__(self, line: str, stream: Stream) -> None:
        self.line = line
        self._output(line, stream)


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory that has all that podman knows; ``covered`` are the true paths of what it writes to."""

    made: Path
    root: Path
    binds: Sequence[Mount | Tmpfs]
    covered: Sequence[str]

    def write_settings(self, process: Process) -> None:
        """Writes what stands for all of this machine's settings: the environment too, which, unlike the words of a
        command line, is not for all to see.
        """
        for name in ("tree", "cover", "hooks", "run"):
            (self.made / name).mkdir(mode=0o755)
        hook = {
            "version": "1.0.0",
            "when": {"always": True},
            "stages": ["createContainer"],
            "hook": {"path": which("sh"), "args": self._hook(process), "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
        }
        (self.made / "hooks/uncover.json").write_text(json.dumps(hook))
        storage = {"driver": "vfs", "graphroot": f"{self.made}/storage", "runroot": f"{self._runroot()}"}
        _write_toml(self.made / "storage.conf", {"storage": storage})
        filtered, seccomp = profile_of(process), self.made / "seccomp.json"
        if filtered is not None:
            seccomp.write_text(json.dumps(in_bundle(filtered, Container.here(process.capabilities))))
        profile = "unconfined" if filtered is None else str(seccomp)
        engine, programs = _engine(self.made), self._programs()
        settings = {"containers": _container(process, profile), "engine": engine, "engine.runtimes": programs}
        _write_toml(self.made / "containers.conf", settings)

    def _runroot(self) -> Path:
        own = self.made / "run"
        return _SHORT_RUNROOT if len(str(own)) > _LONGEST_RUNROOT and _SHORT_RUNROOT.is_dir() else own

    def _programs(self) -> dict[str, object]:
        """The runtimes that podman may start, each told where to keep its state. Podman's own option for that is
        forgotten when it clears up, which a plain user's runtime then can't, and podman waits 20 s for it.
        """
        (self.made / "programs").mkdir()
        found = {name: path for name in ("crun", "runc") if (path := which(name))}
        root = shlex.quote(f"--root={self.made}/runtime")
        for name, path in found.items():
            script = self.made / "programs" / name
            script.write_text(f'#!/bin/sh\nexec {shlex.quote(path)} {root} "$@"\n')
            script.chmod(0o755)
        return {name: [f"{self.made}/programs/{name}"] for name in found}

    def _hook(self, process: Process) -> list[str]:
        script = _UNCOVER
        if in_first_user_namespace() and not process.privileged:  # elsewhere they are bound already
            script += f"; {_BIND_DEVICES}"
        # Hooks are told the container's state, and crun minds when nobody reads it.
        script = f"while read -r _; do :; done; set -e; {script}"
        return ["sh", "-c", script, "sh", f"{self.made}/tree", *self.covered]

    def environment(self) -> dict[str, str]:
        """What podman itself sees."""
        return {
            **clean_environment(),
            "CONTAINERS_CONF": f"{self.made}/containers.conf",
            "CONTAINERS_STORAGE_CONF": f"{self.made}/storage.conf",
            "HOME": f"{self.made}",
            "XDG_RUNTIME_DIR": f"{self.made}",
            "TMPDIR": f"{self.made}",
        }

    def mount(self) -> None:
        """Mounts the tree and what is bound in it, where the cradle alone sees it."""
        hide_second_kind()
        mounts.bind(self.root, self.made / "tree", MOUNT_ATTR_NODEV)
        for bind in self.binds:
            if not is_own(bind.target):
                bind_into(self.made / "tree", bind)
        for path in self.covered:
            mounts.bind(self.made / "cover", f"{self.made}/tree{path}")
        if self._runroot() == _SHORT_RUNROOT:
            mounts.bind(self.made / "run", _SHORT_RUNROOT)

    def words(self, process: Process, program: str, identity: str) -> Iterator[str]:
        """The words of the command line."""
        yield from ("--log-level=error", f"--tmpdir={self.made}/state")
        yield from ("run", f"--pidfile={self.made}/pid")
        yield from ("--passwd=false", "--systemd=false")
        if in_first_user_namespace():
            yield f"--cgroup-parent=/{identity}"
        yield from ("--unsetenv=container", "--unsetenv=TERM")
        yield "--network=host"  # podman is in the right one
        yield f"--hostname={process.hostname}"
        yield f"--user={process.uid}:{process.gid}"
        yield from (f"--group-add={group}" for group in process.groups)
        yield f"--workdir={process.directory}"
        yield f"--shm-size={process.shm_size}b"
        yield from _privileges(process)
        yield from _limits(process)
        yield from (f"--mount={_own_mount(bind)}" for bind in self.binds if is_own(bind.target))
        if process.interactive:
            yield from ("--interactive", f"--tty={json.dumps(os.isatty(0))}")
        name = process.arguments[0] if "PATH" in dict(process.environment) else program
        yield from ("--rootfs", f"{self.made}/tree", name, *process.arguments[1:])


def _container(process: Process, profile: str) -> dict[str, object]:
    has_terminal = process.interactive and os.isatty(0)
    return {
        "env": [f"{name}={value}" for name, value in process.environment],
        "default_capabilities": list(process.capabilities),
        "default_ulimits": [],
        "log_driver": "none" if has_terminal else "passthrough",
        "cgroups": "no-conmon" if in_first_user_namespace() else "disabled",
        "ipcns": "private",
        "utsns": "private",
        "label": False,
        "apparmor_profile": "unconfined",
        "seccomp_profile": profile,
        "no_hosts": True,
        "dns_servers": ["none"],
    }


def _engine(made: Path) -> dict[str, object]:
    return {
        "cgroup_manager": "cgroupfs",
        "events_logger": "none",
        "hooks_dir": [f"{made}/hooks"],
        "lock_type": "file",  # else all of the machine's podmans share 2048 locks in /dev/shm
    }


def _privileges(process: Process) -> Iterator[str]:
    if process.privileged:
        yield "--privileged"
    else:
        yield f"--security-opt=mask={':'.join(MASKED_PATHS)}"
    if process.no_new_privileges:
        yield "--security-opt=no-new-privileges"


def _limits(process: Process) -> Iterator[str]:
    import resource

    # Unless they are said, podman asks for more than this machine may have.
    ours = {name: resource.getrlimit(limits.NAMES.index(name)) for name in ("nofile", "nproc")}
    wanted = {**ours, **{limit.name: (limit.soft, limit.hard) for limit in process.limits}}
    yield from (f"--ulimit={name}={soft}:{hard}" for name, (soft, hard) in wanted.items())
    if process.memory:
        yield f"--memory={process.memory}b"
    if process.processors:
        yield f"--cpus={process.processors}"


def _own_mount(bind: Mount | Tmpfs) -> str:
    """A mount in what podman itself mounts, as a line of comma-separated values."""
    import csv
    import io

    words = ["type=tmpfs", "tmpfs-mode=1777", "notmpcopyup"]
    if isinstance(bind, Mount):
        words = ["type=bind", f"source={bind.source}", f"readonly={json.dumps(bind.read_only)}"]
    elif bind.size:
        words += [f"tmpfs-size={bind.size}"]
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([*words, f"destination={bind.target}"])
    return line.getvalue()


def _write_toml(path: Path, tables: Mapping[str, Mapping[str, object]]) -> None:
    lines = []
    for table, values in tables.items():
        # JSON's literals are TOML's, but for this character.
        lines += [f"[{table}]", *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items())]
    path.write_text("\n".join(lines).replace("\x7f", "\\u007F") + "\n", errors="surrogateescape")
