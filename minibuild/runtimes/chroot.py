"""A root directory and nothing more: for machines where no namespace can be made, as in a container without privileges.

What is mounted elsewhere is put into the tree as files. A program sees the processes of this machine by their numbers,
shares its network and its name, and has no /proc and no /sys.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from minibuild.errors import MinibuildError
from minibuild.runtimes import limits
from minibuild.runtimes.base import Cancellation, OutputLine, Process
from minibuild.runtimes.host import clean_environment, scratch, which
from minibuild.runtimes.program import Refusal, find_program
from minibuild.runtimes.streams import follow
from minibuild.runtimes.warded import Warded, refuse_what_takes_namespaces
from minibuild.sandbox.mounts import may_mount
from minibuild.sandbox.scratch import scratch_directory


class ChrootRuntime:
    """Runs a process by chroot(2)."""

    name: ClassVar[str] = "chroot"
    has_cgroups: ClassVar[bool] = False
    shortcomings: ClassVar[Mapping[str, str]] = {
        "NotIsolated": "nothing can be mounted here: a RUN has no /proc, and sees this machine's processes and network",
    }

    @classmethod
    def binary(cls) -> str | None:
        """The Python that watches over the process."""
        return sys.executable

    @classmethod
    def probe(cls) -> str | None:
        """None where we may change the root, and make devices for it."""
        if may_mount():
            return "it is for machines where nothing can be mounted"
        from minibuild.runtimes.placing import furnished

        try:
            with scratch_directory(scratch()) as place:
                (place / "root").mkdir()
                with furnished(Process((), ()), place / "root"):
                    return _tried()
        except MinibuildError as error:
            return error.message
        except OSError as error:
            return (f"{error.filename}: " if error.filename else "") + (error.strerror or str(error)).lower()

    def run(self, process: Process, root: Path, output: OutputLine, cancellation: Cancellation) -> int:
        """Runs a process whose root directory is the tree."""
        from minibuild.runtimes.placing import furnished

        refuse_what_takes_namespaces(process, ChrootRuntime)
        with furnished(process, root):
            program = find_program(root, process)
            if isinstance(program, Refusal):
                output(program.message, "stderr")
                return program.status
            return follow(_started(process, root, program), output, cancellation)


def _tried() -> str | None:
    """None where a program of this host ran with the host's own root in the place of another."""
    shell, lines = which("sh"), list[str]()
    if shell is None:
        return "there is no sh on this host"
    process = Process((shell, "-c", "echo it runs; exit 42"), tuple(clean_environment().items()))
    warded = _started(process, Path("/"), shell)
    status = follow(warded, lambda line, _stream: lines.append(line), Cancellation())
    said = "; ".join(lines)
    return None if (status, said) == (42, "it runs") else f"a test ended with status {status} and said: {said}"


def _started(process: Process, root: Path, program: str) -> Warded:
    from minibuild.runtimes.warden import Orders

    return Warded.start(
        Orders(
            os.fspath(root),
            process.directory,
            program,
            process.arguments,
            process.environment,
            process.uid,
            process.gid,
            process.groups,
            process.capabilities,
            limits.in_numbers(process.limits),
        ),
        process,
    )
