"""minibuild as a user runs it: a process of its own, its output and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import minibuild
from tests.accounts import PlainUser
from tests.daemons import Registry


@dataclass(frozen=True)
class Minibuild:
    """The command line with a store of its own; ``prefix`` are words before it, such as ``setpriv …``."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    interpreter: str = sys.executable

    def command(self, *arguments: str | Path) -> list[str]:
        """The words that ``minibuild ARGUMENTS`` stands for."""
        return [*self.prefix, self.interpreter, "-m", "minibuild", "--root", str(self.root), *map(str, arguments)]

    def __call__(
        self, *arguments: str | Path, cwd: Path | None = None, stdin: str = "", timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Runs it to the end, whatever its exit code."""
        return subprocess.run(
            self.command(*arguments),
            cwd=cwd,
            env=self.variables(),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def succeed(self, *arguments: str | Path, cwd: Path | None = None, timeout: float = 300) -> str:
        """Runs it, wants exit code 0 (else AssertionError with all its output) and answers its standard output."""
        done = self(*arguments, cwd=cwd, timeout=timeout)
        assert done.returncode == 0, f"minibuild {arguments} ended with {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *arguments: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
        """Starts it in a process group of its own, output and errors together on a pipe."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=cwd,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def with_mirror(self, registry: Registry) -> Minibuild:
        """The same, with a registry asked first for Docker Hub's images."""
        return self.with_variables(MINIBUILD_REGISTRY_MIRROR=f"docker.io=http://{registry.host}")

    def with_variables(self, **variables: str) -> Minibuild:
        """The same with more in its environment."""
        return replace(self, environment={**self.environment, **variables})

    def with_prefix(self, *words: str) -> Minibuild:
        """The same, started through another program."""
        return replace(self, prefix=words)

    def at(self, root: Path) -> Minibuild:
        """The same with another store."""
        return replace(self, root=root)

    def as_nobody(self, *prefix: str) -> Minibuild:
        """The same, as ``nobody`` without any capability; the caller lets it write where it must."""
        user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--no-new-privs"]
        return self._as([*user, "env"], prefix).with_variables(HOME="/nonexistent")

    def as_user(self, user: PlainUser, home: Path, *prefix: str) -> Minibuild:
        """The same, as a user with a home, started through what a login would give it."""
        words = ["setpriv", f"--reuid={user.uid}", f"--regid={user.uid}", "--clear-groups", "env"]
        return self._as(words, prefix).with_variables(HOME=str(home), XDG_RUNTIME_DIR=str(home), USER=user.name)

    def _as(self, user: Sequence[str], prefix: Sequence[str]) -> Minibuild:
        """The same through these words, which end with ``env``: setpriv starts its program while it may still do
        everything.

        An interpreter in root's home is out of a plain user's reach: the system's one takes its place then, with our
        libraries.
        """
        reachable = subprocess.run([*user, sys.executable, "-c", "import json"], capture_output=True).returncode == 0
        libraries = [str(Path(minibuild.__file__).parent.parent), sysconfig.get_path("purelib")]
        plain = self
        if not reachable:
            plain = replace(plain, interpreter="/usr/bin/python3").with_variables(PYTHONPATH=":".join(libraries))
        return plain.with_prefix(*user, *prefix)

    def variables(self) -> dict[str, str]:
        """The environment it runs in: ours without what would redirect it, and what this one adds."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("MINIBUILD_", "DOCKER_"))}
        return ours | dict(self.environment)
