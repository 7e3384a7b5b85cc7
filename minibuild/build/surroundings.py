"""What the caller of a build gives its RUNs besides the Dockerfile: networks, limits, names of hosts, secrets, agents,
permissions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from minibuild.build import certificates
from minibuild.build.resolving import Resolver
from minibuild.errors import UsageError
from minibuild.instructions.effects import InlineFile, RunCommand, SecretMount, SshMount
from minibuild.plan import Plan, Step
from minibuild.runtimes.base import SHM_SIZE, Limit, Mount, Network, is_private
from minibuild.values import dataclass, field, replace

if TYPE_CHECKING:
    from minibuild.runtimes.seccomp.profile import Profile

NETWORK_HOST, SECURITY_INSECURE = "network.host", "security.insecure"
PERMISSIONS = (NETWORK_HOST, SECURITY_INSECURE)
# BuildKit's: programs write it into what they build.
HOSTNAME = "buildkitsandbox"
# Source: BuildKit, session/secrets: what is bigger is no secret.
LARGEST_SECRET = 500 << 10


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: in a file, or in a variable of the caller's environment. Its value is read when it is used."""

    file: Path | None = None
    value: str = field(default="", repr=False)

    @classmethod
    def of(cls, given: str | bytes | PathLike[str]) -> Secret:
        """One that a program gives: a path is a file, text and bytes are the value."""
        if isinstance(given, bytes):
            return cls(value=given.decode("utf-8", "surrogateescape"))
        return cls(value=given) if isinstance(given, str) else cls(Path(given))

    def read(self, name: str) -> bytes:
        """The value; raises UsageError for a file that can't be read, or is too big to be a secret."""
        if self.file is None:
            return self.value.encode("utf-8", "surrogateescape")
        try:
            with self.file.open("rb") as file:
                value = file.read(LARGEST_SECRET + 1)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UsageError(f"secret {name}: {self.file} can't be read: {reason}") from error
        if len(value) > LARGEST_SECRET:
            raise UsageError(f"secret {name}: {self.file} has more than {LARGEST_SECRET >> 10} KiB")
        return value


@dataclass(frozen=True, slots=True)
class SshAgent:
    """An SSH agent: one that listens on a socket, or one to be started, to hold the ``keys`` of these files."""

    socket: Path | None = None
    keys: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all RUNs of a build have around them.

    ``network`` is what ``default`` means; ``permissions`` are those of ``PERMISSIONS`` that were given; ``hosts`` maps
    names to addresses. ``memory`` is in bytes, 0 for no limit, as is ``processors``. ``volumes`` are directories of
    this machine, bound into every RUN. ``hostname`` is what RUN takes for this machine's name. ``ca_bundle`` are
    certificates, as PEM, that it trusts; "" for its image's own.
    ``seccomp`` is its profile, None Docker's default; setuid programs give it nothing if ``no_new_privileges``.
    """

    network: Network = "host"
    permissions: frozenset[str] = frozenset()
    hosts: tuple[tuple[str, str], ...] = ()
    resolver: Resolver = field(default_factory=Resolver)
    ca_bundle: bytes = field(default=b"", repr=False)
    shm_size: int = SHM_SIZE
    limits: tuple[Limit, ...] = ()
    memory: int = 0
    processors: float = 0
    volumes: tuple[Mount, ...] = ()
    secrets: Mapping[str, Secret] = field(default_factory=lambda: MappingProxyType({}))
    agents: Mapping[str, SshAgent] = field(default_factory=lambda: MappingProxyType({}))
    cache_namespace: str = ""
    hostname: str = HOSTNAME
    seccomp: Profile | None = None
    no_new_privileges: bool = False

    def told(self, build_arguments: Mapping[str, str]) -> Surroundings:
        """These, with what BuildKit's own build arguments say; raises UsageError for a name that no host can have."""
        hostname = build_arguments.get("BUILDKIT_SANDBOX_HOSTNAME") or self.hostname
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", hostname):
            raise UsageError(
                f"BUILDKIT_SANDBOX_HOSTNAME {hostname!r} is no name of a host",
                hint="write at most 64 letters, digits, '-', '_' and '.'",
            )
        namespace = build_arguments.get("BUILDKIT_CACHE_MOUNT_NS", self.cache_namespace)
        return replace(self, hostname=hostname, cache_namespace=namespace)

    def network_of(self, effect: RunCommand) -> Network:
        """The network that a command has."""
        match effect.network:
            case "none":
                return "none"
            case "host":
                return "host"
            case _:
                return self.network

    def files_of(self, effect: RunCommand) -> tuple[InlineFile, ...]:
        """What is bound where a command runs: files of the Dockerfile's, and of the caller's."""
        return (*effect.files, *certificates.files_for(self.ca_bundle))

    @property
    def variables(self) -> Mapping[str, str]:
        """What a command sees unless the Dockerfile says otherwise."""
        return certificates.variables_for(self.ca_bundle)

    def secret(self, mount: SecretMount) -> bytes | None:
        """The value of a secret, None where the caller doesn't have it; raises UsageError where it has to."""
        secret = self.secrets.get(mount.id)
        if secret is None:
            if mount.required:
                raise UsageError(
                    f"secret {mount.id} is required, and was not given",
                    hint=f"give it by --secret id={mount.id},src=FILE",
                )
            return None
        value = secret.read(mount.id)
        if mount.variable and b"\0" in value:
            raise UsageError(f"secret {mount.id} has a zero byte, so it can't be a variable")
        return value

    def agent(self, mount: SshMount) -> SshAgent | None:
        """An SSH agent, None where the caller doesn't have it; raises UsageError where it has to."""
        agent = self.agents.get(mount.id)
        if agent is None and mount.required:
            raise UsageError(
                f"SSH agent {mount.id} is required, and was not given", hint=f"give it by --ssh {mount.id}"
            )
        return agent

    def inputs(self, effect: RunCommand) -> Mapping[str, object]:
        """What of these a command's key depends on: what it can see, but neither values (who answers for names, whom
        to trust), nor how much it may take.
        """
        network = "private" if is_private(self.network) else self.network
        given = {
            "network": network if effect.network == "default" and network != "host" else "",
            "hosts": [name for name, _ in self.hosts],
            "limits": [[limit.name, limit.soft, limit.hard] for limit in self.limits],
            "seccomp": "" if self.seccomp is None else hashlib.sha256(repr(self.seccomp).encode()).hexdigest(),
            "no_new_privileges": self.no_new_privileges,
            "hostname": "" if self.hostname == HOSTNAME else self.hostname,
            "volumes": [[str(mount.source), mount.target, mount.read_only] for mount in self.volumes],
        }
        return {name: value for name, value in given.items() if value}


def check_permissions(plan: Plan, surroundings: Surroundings) -> None:
    """Raises UsageError for the first command that wants what its caller has not permitted, before anything runs."""
    for step, effect in _commands(plan):
        wants_host = effect.network == "host" and surroundings.network != "host"
        if wants_host and NETWORK_HOST not in surroundings.permissions:
            raise UsageError(
                f"RUN --network=host is not permitted: this build's network is {surroundings.network}",
                span=step.statement.span,
                hint=f"permit it by --allow {NETWORK_HOST}",
            )
        if effect.security == "insecure" and SECURITY_INSECURE not in surroundings.permissions:
            raise UsageError(
                "RUN --security=insecure is not permitted: it lets the command do whatever you can do to this machine",
                span=step.statement.span,
                hint=f"permit it by --allow {SECURITY_INSECURE}",
            )


def _commands(plan: Plan) -> Iterator[tuple[Step, RunCommand]]:
    for index in plan.order:
        for step in plan.stages[index].steps:
            if isinstance(step.effect, RunCommand):
                yield step, step.effect
