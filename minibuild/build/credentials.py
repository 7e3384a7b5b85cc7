"""What opens private places: secrets for git and the web, by their names, and an SSH agent for git."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from minibuild.build.remote.git import Git
    from minibuild.build.surroundings import SshAgent, Surroundings
    from minibuild.instructions.git_place import GitPlace
    from minibuild.runtimes.base import Cancellation

_NAMES = ("GIT_AUTH_TOKEN", "GIT_AUTH_HEADER", "HTTP_AUTH_TOKEN_", "HTTP_AUTH_HEADER_")


@dataclass(frozen=True, slots=True)
class Credentials:
    """``secrets`` are those that ``remote.git`` and ``remote.http`` know by their names; ``agent`` None is the one of
    the caller's environment. None of it is shown, or part of a key.
    """

    secrets: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    agent: SshAgent | None = None

    @classmethod
    def of(cls, surroundings: Surroundings) -> Credentials:
        """Those among what RUNs are given; raises UsageError for a secret that can't be read."""
        found = {name: secret for name, secret in surroundings.secrets.items() if name.startswith(_NAMES)}
        values = {name: os.fsdecode(secret.read(name)) for name, secret in found.items()}
        return cls(MappingProxyType(values), surroundings.agents.get("default"))

    @contextmanager
    def git(self, place: GitPlace, environment: Mapping[str, str], cancellation: Cancellation) -> Iterator[Git]:
        """What asks a repository, while the block lasts; keys in files are held by an agent as long."""
        from minibuild.build.remote.git import Git

        if self.agent is None or place.scheme != "ssh":
            yield Git(environment, cancellation, secrets=self.secrets)
            return
        from minibuild.build.agents import listening
        from minibuild.runtimes.host import scratch
        from minibuild.sandbox.scratch import scratch_directory

        with scratch_directory(scratch()) as kept, listening(self.agent, kept) as socket:
            yield Git({**environment, "SSH_AUTH_SOCK": str(socket)}, cancellation, secrets=self.secrets)


NO_CREDENTIALS = Credentials()
