"""crun and runc: programs that run an OCI bundle."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from minibuild.errors import UnavailableError
from minibuild.layers.owners import Owner
from minibuild.runtimes import limits, probing
from minibuild.runtimes.base import Cancellation, Mount, OutputLine, Process, Tmpfs
from minibuild.runtimes.bundle import bundle
from minibuild.runtimes.cgroups import hide_second_kind, removal, remove_cgroups
from minibuild.runtimes.cradle import Cradle
from minibuild.runtimes.host import clean_environment, scratch, streams_for, which
from minibuild.runtimes.networks import network_of
from minibuild.runtimes.program import Refusal, find_program
from minibuild.runtimes.sealed import from_copy
from minibuild.runtimes.seccomp.choosing import compiled
from minibuild.runtimes.streams import follow
from minibuild.runtimes.tree import ready_tree
from minibuild.sandbox import mounts
from minibuild.sandbox.scratch import scratch_directory
from minibuild.sandbox.syscalls import MOUNT_ATTR_NODEV, MOUNT_ATTR_RDONLY
from minibuild.sandbox.userns import in_first_user_namespace
from minibuild.values import dataclass


class OciRuntime:
    """What crun and runc have in common."""

    name: ClassVar[str]
    has_cgroups: ClassVar[bool] = False
    shortcomings: ClassVar[Mapping[str, str]] = {}
    options: ClassVar[Sequence[str]] = ()

    @classmethod
    def binary(cls) -> str | None:
        """The program; None where it isn't installed."""
        return which(cls.name)

    @classmethod
    def probe(cls) -> str | None:
        """None where it runs a program."""
        return probing.probe(cls) if cls.binary() else f"{cls.name} is not installed"

    def run(self, process: Process, root: Path, output: OutputLine, cancellation: Cancellation) -> int:
        """Runs a process by ``run`` of the runtime's command line."""
        binary = self.binary()
        if binary is None:
            raise UnavailableError(f"{self.name} is not installed")
        limits.check(process, self.name, has_cgroups=self.has_cgroups)
        with (
            ready_tree(process, root) as binds,
            scratch_directory(scratch()) as made,
            network_of(process.network) as network,
        ):
            program = find_program(root, process)
            if isinstance(program, Refusal):
                output(program.message, "stderr")
                return program.status
            memory = _InMemory(made, binds)
            configuration = bundle(process, program, root, memory.bound())
            write_json(made / "config.json", self.completed(configuration, process))
            identity = f"minibuild-{made.name}"
            command = [binary, "--root", f"{made}/state", "--log", f"{made}/log", *self.options]
            last = removal(identity) if self.has_cgroups else ()
            owner = Owner(process.uid, process.gid)
            cradle = Cradle(before=lambda: self.before(root, memory), network=network, last=last, owner=owner)
            try:
                cradled = cradle.start(
                    [*command, "run", "--bundle", str(made), identity],
                    cwd="/",
                    **self.started_from(binary, made),
                    **streams_for(process),
                )
                status = follow(cradled, output, cancellation)
            finally:
                self.clean_up(identity)
            return status if cancellation or status == 0 else self._judged(made / "log", status)

    def before(self, root: Path, memory: _InMemory) -> None:
        """What is mounted where the runtime alone sees it."""
        memory.mount()
        mounts.bind(root, root, MOUNT_ATTR_NODEV)
        if not in_first_user_namespace():
            # A container gets this one, and "ro" in its configuration means the topmost mount alone.
            mounts.bind("/sys", "/sys", MOUNT_ATTR_RDONLY)

    def completed(self, configuration: dict[str, Any], process: Process) -> dict[str, Any]:  # noqa: ARG002
        """The configuration, with what it has to say to this runtime alone."""
        return configuration

    def started_from(self, binary: str, made: Path) -> dict[str, Any]:  # noqa: ARG002
        """Options of subprocess.Popen: where the program is, if not where it is installed, and what it sees."""
        return {"env": clean_environment()}

    def clean_up(self, identity: str) -> None:
        """Removes what a killed runtime leaves outside of its namespaces."""

    def _judged(self, log: Path, status: int) -> int:
        """The status, unless the runtime's log says that it is the runtime's own."""
        complaint = log.read_text(errors="replace").strip() if log.exists() else ""
        if complaint:
            raise UnavailableError(
                f"{self.name} made no container: {complaint}", hint="minibuild info tells what else can run here"
            )
        return status


@dataclass(frozen=True, slots=True)
class _InMemory:
    """Directories in memory, made by us: runc would give them the mode of what they cover."""

    made: Path
    mounts: Sequence[Mount | Tmpfs]

    def mount(self) -> None:
        """Makes them."""
        for number, mount in enumerate(self.mounts):
            if isinstance(mount, Tmpfs):
                mounts.tmpfs(self._place(number), mount.size)

    def bound(self) -> list[Mount]:
        """The mounts, with directories in memory as the binds that they become."""
        found = []
        for number, mount in enumerate(self.mounts):
            if isinstance(mount, Tmpfs):
                self._place(number).mkdir()
                mount = Mount(self._place(number), mount.target, read_only=False)
            found.append(mount)
        return found

    def _place(self, number: int) -> Path:
        return self.made / f"memory-{number}"


class Crun(OciRuntime):
    """crun, told to leave cgroups alone."""

    name = "crun"
    options = ("--cgroup-manager=disabled",)

    def before(self, root: Path, memory: _InMemory) -> None:
        """crun minds what cgroups there are, even if it is to leave them alone."""
        hide_second_kind()
        OciRuntime.before(self, root, memory)

    def completed(self, configuration: dict[str, Any], process: Process) -> dict[str, Any]:
        """Two things that would cost a RUN as much as all the rest. The filter is compiled, as libseccomp would do it
        anew each time. And that no device is to be opened on the root, which crun forgets when it mounts the root anew,
        is said once more as one of its mounts ("/" itself it takes for another file), not by a hook's programs.
        """
        root = {"destination": "/.", "type": "bind", "source": "/", "options": ["remount", "bind", "nodev"]}
        configuration["mounts"].append(root)
        if program := compiled(process):
            configuration["annotations"] = {"run.oci.seccomp_bpf_data": b64encode(program).decode()}
        return configuration

    def started_from(self, binary: str, made: Path) -> dict[str, Any]:
        """A copy in memory; else it makes one by itself, and a file for it: not in /tmp, where that would stay."""
        variables = {"_LIBCONTAINER_CLONED_BINARY": "1", "_LIBCONTAINER_STATEDIR": str(made)}
        return {"env": {**clean_environment(), **variables}, **from_copy(binary)}


class Runc(OciRuntime):
    """runc."""

    name = "runc"
    has_cgroups = True

    def clean_up(self, identity: str) -> None:
        """runc has made a cgroup of that name in every hierarchy, and removes them only if nobody kills it."""
        remove_cgroups(identity)


def write_json(path: Path, value: Any) -> None:
    """Writes what a runtime reads."""
    import json

    path.write_text(json.dumps(value))
